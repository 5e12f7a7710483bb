"use strict";
(() => {
  const root = document.documentElement;

  // The theme: the reader's choice if there is one, else the system's.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const show = () => { root.dataset.theme = stored() ?? chosen ?? (system.matches ? "dark" : "light"); };
  let chosen = null;
  const toggle = () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", chosen); } catch { /* kept for this visit */ }
    show();
  };
  system.addEventListener("change", show);
  show();
  document.getElementById("theme").addEventListener("click", toggle);
  const help = document.getElementById("help");
  document.getElementById("keys").addEventListener("click", () => help.showModal());

  // Controls hold the state; elements say for which states they are shown.
  const controls = new Map();
  for (const element of document.querySelectorAll("[data-control]")) controls.set(element.dataset.control, element);
  const state = new Map([...controls].map(([name, control]) => [name, control.value]));
  const byChoice = new Map();
  for (const element of document.querySelectorAll("[data-when]")) {
    element.conditions = element.dataset.when.split(" ").map((condition) => {
      const at = condition.indexOf("=");
      return [condition.slice(0, at), condition.slice(at + 1)];
    });
    for (const condition of element.conditions) {
      const key = condition.join("=");
      if (!byChoice.has(key)) byChoice.set(key, []);
      byChoice.get(key).push(element);
    }
  }
  const judge = (element) => {
    const hides = element.conditions.some(([name, value]) => state.get(name) !== value);
    if (element instanceof SVGElement) element.toggleAttribute("hidden", hides);
    else element.hidden = hides;
  };
  const said = new Map();
  for (const element of document.querySelectorAll("[data-text]")) {
    if (!said.has(element.dataset.text)) said.set(element.dataset.text, []);
    said.get(element.dataset.text).push(element);
  }
  const say = (name) => { for (const element of said.get(name) ?? []) element.textContent = state.get(name); };
  const set = (name, value) => {
    const control = controls.get(name);
    control.value = value;
    const before = state.get(name);
    state.set(name, control.value);
    if (before !== control.value) {
      for (const key of [`${name}=${before}`, `${name}=${control.value}`]) byChoice.get(key)?.forEach(judge);
    }
    say(name);
    // Steps of a range may depend on a choice: its options say how many there are.
    const limit = control.selectedOptions?.[0]?.dataset.limit;
    if (limit) {
      const range = controls.get(control.dataset.limits);
      range.max = limit;
      if (state.get(range.dataset.control) !== range.value) set(range.dataset.control, range.value);
    }
    const fragment = [...state].map(([key, entry]) => `${key}=${encodeURIComponent(entry)}`).join("&");
    history.replaceState(null, "", `#${fragment}`);
  };
  const follow = (fragment) => {
    for (const part of fragment.slice(1).split("&")) {
      const at = part.indexOf("=");
      const name = part.slice(0, at);
      if (!controls.has(name)) continue;
      let value = part.slice(at + 1);
      try { value = decodeURIComponent(value); } catch { continue; }
      const control = controls.get(name);
      if (control.options && ![...control.options].some((option) => option.value === value)) continue;
      if (control.type === "range" && !/^\d+$/.test(value)) continue;
      set(name, value);
    }
  };
  document.querySelectorAll("[data-when]").forEach(judge);
  for (const [name, control] of controls) {
    control.addEventListener("input", () => set(name, control.value));
    say(name);
  }
  const choice = [...controls.values()].find((control) => control.dataset.limits);
  const asked = location.hash;
  if (choice) set(choice.dataset.control, choice.value);
  if (asked) follow(asked);
  addEventListener("hashchange", () => follow(location.hash));

  // The range plays.
  const range = [...controls.values()].find((control) => control.type === "range");
  const button = document.getElementById("play");
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; if (button) { button.textContent = "Play"; button.setAttribute("aria-pressed", "false"); } };
  const play = () => {
    if (timer !== null) return stop();
    button.textContent = "Pause";
    button.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      set(range.dataset.control, String(Number(range.value) >= Number(range.max) ? Number(range.min) : Number(range.value) + 1));
    }, 450);
  };
  button?.addEventListener("click", play);
  const step = (by) => { stop(); set(range.dataset.control, String(Number(range.value) + by)); };
  const turn = (by) => {
    const chooser = choice ?? [...controls.values()].find((control) => control.options);
    const next = chooser.options[chooser.selectedIndex + by];
    if (next) set(chooser.dataset.control, next.value);
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const at = event.target;
    const takesKeys = at.matches?.("select, input, textarea");
    const keys = { d: toggle, "?": () => help.showModal() };
    if (!takesKeys) {
      if (range) Object.assign(keys, { ArrowLeft: () => step(-1), ArrowRight: () => step(1) });
      if (range && !at.matches?.("button, a")) keys[" "] = play;
      if (controls.size) Object.assign(keys, { "[": () => turn(-1), "]": () => turn(1) });
    }
    const act = keys[event.key];
    if (!act || (at.matches?.("select") && event.key === "d")) return;
    event.preventDefault();
    act();
  });
})();
