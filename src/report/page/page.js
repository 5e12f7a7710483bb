"use strict";
// The state of a page is the values of its controls. An element with `data-when` is shown while all parts of its
// condition hold. Elements are looked up once, when the page is loaded, and a change of a control updates only the
// elements whose condition mentions it, so that pages with thousands of conditions stay fast.
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Some private windows, and some browsers for local files, have no storage.
  const savedTheme = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
  if (savedTheme === "light" || savedTheme === "dark") root.dataset.theme = savedTheme;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;

  const all = (selector) => [...document.querySelectorAll(selector)];
  const controls = new Map();
  // Entries of conditional elements that may have to be shown or hidden.
  const touched = new Set();
  let section = "";
  let activeRange = null;
  let activeChoice = null;
  let playing = null;

  function nameTheme() {
    for (const button of all("[data-toggle-theme]")) button.textContent = isDark() ? "Light theme" : "Dark theme";
  }

  function toggleTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* The theme is kept until the page is closed. */ }
    nameTheme();
  }

  function readControls() {
    for (const input of all("[data-control]")) {
      const control = {
        input, name: input.dataset.control, value: 0, shownBy: [], texts: [], lasts: [], followers: [],
        isRange: input.type === "range",
        count: input.type === "range" ? Number(input.max) + 1 : input.options.length,
        counts: (input.dataset.steps || "").split(" ").filter(Boolean).map(Number),
      };
      controls.set(control.name, control);
      // Some programs that drive a browser, and some assistive ones, send only one of the two events.
      for (const event of ["input", "change"]) {
        input.addEventListener(event, () => { use(control); set(control, Number(input.value)); settle(); });
      }
      input.addEventListener("focus", () => use(control));
    }
    for (const control of controls.values()) {
      const leader = controls.get(control.input.dataset.stepsOf);
      if (leader) leader.followers.push(control);
      if (control.isRange) activeRange ??= control; else activeChoice ??= control;
    }
    for (const element of all("[data-text]")) controls.get(element.dataset.text)?.texts.push(element);
    for (const element of all("[data-last]")) controls.get(element.dataset.last)?.lasts.push(element);
    for (const button of all("[data-play]")) {
      const control = controls.get(button.dataset.play);
      control.button = button;
      button.addEventListener("click", () => { use(control); play(control); });
    }
  }

  // Counts the unmet parts of each condition, so that a change of a control only adds or subtracts 1.
  function readConditions() {
    for (const element of all("[data-when]")) {
      const entry = { element, unmet: 0, shown: false };
      for (const part of element.dataset.when.split(" ")) {
        const [name, values] = part.split("=");
        const [first, last = first] = values.split("-").map(Number);
        const control = controls.get(name);
        entry.unmet += 1;
        if (!control) { console.warn(`no control is named ${name}`); continue; }
        for (let value = first; value <= last; value += 1) (control.shownBy[value] ??= []).push(entry);
        if (first <= control.value && control.value <= last) entry.unmet -= 1;
      }
      touched.add(entry);
    }
  }

  const use = (control) => { if (control.isRange) activeRange = control; else activeChoice = control; };

  function set(control, wanted) {
    const value = Math.min(Math.max(0, Math.trunc(wanted) || 0), Math.max(0, control.count - 1));
    if (value !== control.value) {
      for (const entry of control.shownBy[control.value] ?? []) { entry.unmet += 1; touched.add(entry); }
      for (const entry of control.shownBy[value] ?? []) { entry.unmet -= 1; touched.add(entry); }
      control.value = value;
    }
    control.input.value = value;
    for (const follower of control.followers) {
      follower.count = follower.counts[Math.min(value, follower.counts.length - 1)] ?? 1;
      follower.input.max = Math.max(0, follower.count - 1);
      set(follower, follower.value);
    }
    const text = control.isRange ? String(value) : control.input.options[value]?.text ?? "";
    for (const element of control.texts) element.textContent = text;
    for (const element of control.lasts) element.textContent = control.input.max;
    if (control.isRange) {
      control.input.disabled = control.count < 2;
      control.input.style.setProperty("--done", control.count < 2 ? 0 : value / (control.count - 1));
      if (control.button) control.button.disabled = control.input.disabled;
      if (control.count < 2 && playing?.control === control) pause();
    }
  }

  function show() {
    for (const entry of touched) {
      const shown = entry.unmet === 0;
      if (shown !== entry.shown) entry.element.toggleAttribute("data-on", shown);
      entry.shown = shown;
    }
    touched.clear();
    document.dispatchEvent(new Event("page-shown"));
  }

  // The address is updated at most every 0.2 s, since browsers refuse to change it too often.
  let pending = null;
  function settle() {
    show();
    pending ??= setTimeout(() => {
      pending = null;
      markScrolling();
      const state = [...controls.values()].map(({ name, value }) => `${name}=${value}`);
      const fragment = [section, ...state].filter(Boolean).join("&");
      // If the address cannot be updated, the view is still correct.
      try { history.replaceState(null, "", `#${fragment}`); } catch { /* See above. */ }
    }, 200);
  }

  function readAddress() {
    let fragment = location.hash.slice(1);
    try { fragment = decodeURIComponent(fragment); } catch { /* A malformed escape: used unchanged. */ }
    const parts = fragment.split("&");
    section = parts.find((part) => part && !part.includes("=")) ?? "";
    const wanted = new Map(parts.filter((part) => part.includes("=")).map((part) => part.split("=")));
    // Choosers first, since the number of steps of a slider may depend on one.
    const inOrder = [...controls.values()].sort((a, b) => a.isRange - b.isRange);
    for (const control of inOrder) set(control, Number(wanted.get(control.name) ?? control.value));
    show();
    if (section) document.getElementById(section)?.scrollIntoView();
  }

  function pause() {
    clearInterval(playing.timer);
    const { button } = playing.control;
    playing = null;
    button.setAttribute("aria-pressed", "false");
  }

  function play(control) {
    const isOn = playing?.control === control;
    if (playing) pause();
    if (isOn || control.count < 2) return;
    const step = () => { set(control, (control.value + 1) % control.count); settle(); };
    playing = { control, timer: setInterval(step, Number(control.button.dataset.interval)) };
    control.button.setAttribute("aria-pressed", "true");
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : root;
    const keys = document.querySelector("dialog.keys");
    // In these elements, keys choose an option or enter text.
    if (target.closest("select, textarea, [contenteditable], input:not([type=range])")) return;
    if (keys.open && event.key !== "?") return;
    const moves = target.closest("input, .scroll");
    const inControls = target.closest(".controls") && !target.closest("input");
    const move = (control, by) => () => { set(control, control.value + by); settle(); };
    const actions = {
      "d": toggleTheme,
      "?": () => keys.open ? keys.close() : keys.showModal(),
      "ArrowLeft": !moves && activeRange && move(activeRange, -1),
      "ArrowRight": !moves && activeRange && move(activeRange, 1),
      "[": activeChoice && move(activeChoice, -1),
      "]": activeChoice && move(activeChoice, 1),
      // Outside the controls, these keys scroll the page.
      "ArrowUp": inControls && activeChoice && move(activeChoice, -1),
      "ArrowDown": inControls && activeChoice && move(activeChoice, 1),
      " ": !target.closest("button, a, summary") && activeRange?.button && (() => play(activeRange)),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  function follow(event) {
    const link = event.target.closest?.("a[href^='#']");
    const goal = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (!goal) return;
    event.preventDefault();
    section = goal.id === "main" ? "" : goal.id;
    goal.scrollIntoView();
    goal.focus({ preventScroll: true });
    settle();
  }

  // An element that can be scrolled must be focusable, so that it can be scrolled from the keyboard.
  function markScrolling() {
    for (const element of all(".scroll")) {
      if (element.scrollWidth > element.clientWidth + 1) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    }
  }

  function start() {
    nameTheme();
    systemDark.addEventListener("change", nameTheme);
    readControls();
    readConditions();
    readAddress();
    markScrolling();
    const keys = document.querySelector("dialog.keys");
    const has = {
      range: activeRange, choice: activeChoice, play: [...controls.values()].some(({ button }) => button),
    };
    for (const row of all("[data-needs]")) row.hidden = !has[row.dataset.needs];
    for (const button of all("[data-toggle-theme]")) button.addEventListener("click", toggleTheme);
    for (const button of all("[data-open-keys]")) button.addEventListener("click", () => keys.showModal());
    for (const button of all("[data-close-keys]")) button.addEventListener("click", () => keys.close());
    addEventListener("hashchange", readAddress);
    addEventListener("resize", markScrolling);
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", follow);
  }

  document.addEventListener("DOMContentLoaded", start);
})();
