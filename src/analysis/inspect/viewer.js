"use strict";
// Draws one matrix at a time: the complex on the image, the points in space, the bars and the diagram. The data are
// in the page, deflated; a matrix is unpacked when it is first drawn.
(() => {
  const NEVER = 255;
  const MAX_TRIANGLES = 20000;
  const MAX_CACHED = 24;
  const GOLDEN_ANGLE = 137.508;

  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const cache = new Map();
  let setup = null;
  let images = [];
  let item = null;
  let cosines = null;
  let requested = "";
  // True until the requested matrix is unpacked.
  let isLoading = true;
  let token = 0;
  let selected = null;
  let rotation = [0.5, -0.35];
  let hasOpened = false;

  const control = (name) => document.querySelector(`[data-control=${name}]`);
  const value = (name) => Number(control(name)?.value ?? 0);
  const ink = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function set(name, to) {
    const input = control(name);
    if (!input || Number(input.value) === to) return;
    input.value = to;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async function unpack(kind, index) {
    const key = `${kind}${index}`;
    if (cache.has(key)) return cache.get(key);
    const element = document.querySelector(`script[data-${kind}="${index}"]`);
    if (!element) return null;
    const packed = Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const data = kind === "item" ? readItem(bytes) : bytes;
    cache.set(key, data);
    // A Map iterates in order of insertion, so this is the oldest entry.
    if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value);
    return data;
  }

  function readItem(bytes) {
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const matrix = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const n = matrix.points;
    const levels = bytes.subarray(4 + length, 4 + length + (n * (n - 1)) / 2);
    matrix.attention = bytes.subarray(4 + length + levels.length);
    // Counting sort of the edges by level.
    const counts = new Uint32Array(257);
    for (const level of levels) counts[level + 1] += 1;
    for (let level = 0; level < 256; level += 1) counts[level + 1] += counts[level];
    // Number of edges with a level below each level.
    matrix.edgesBelow = counts.slice();
    matrix.edges = new Uint16Array(2 * levels.length);
    for (let i = 0, k = 0; i < n; i += 1) {
      for (let j = i + 1; j < n; j += 1, k += 1) {
        const position = counts[levels[k]]++;
        matrix.edges[2 * position] = i;
        matrix.edges[2 * position + 1] = j;
      }
    }
    matrix.bars = matrix.bars.map((bars, dim) => bars.map(([birth, death, birthEdge, deathEdge, cycle], index) => ({
      dim, index, birth, death: death ?? Infinity, birthEdge: birthEdge || null, deathEdge: deathEdge || null, cycle,
    })));
    return matrix;
  }

  const diameter = (stop) => item.stops[stop];
  const lastDiameter = () => item.stops.at(-1);
  // Ends of the axes: the smallest and largest birth or death of the drawn bars.
  function range() {
    const bars = item.bars[currentDim()];
    const ends = bars.flatMap((bar) => [bar.birth, bar.death]).filter(Number.isFinite);
    const [low, high] = ends.length ? [Math.min(...ends), Math.max(...ends)] : [diameter(0), lastDiameter()];
    const margin = 0.03 * (high - low) || 1e-9;
    return [Math.max(0, low - margin), high + margin];
  }

  // The complex at a stop. Components come from union-find; each is identified by its smallest vertex, so that its
  // colour stays the same while it grows. Of a large complex only the spanning tree is known beyond some stop, and the
  // number of its edges: the tree gives the components.
  function complexAt(stop) {
    const n = item.points;
    const isComplete = stop <= (item.lastDrawn ?? setup.stops);
    const nStored = item.edgesBelow[Math.min(stop, NEVER - 1) + 1];
    const edges = isComplete ? item.edges.subarray(0, 2 * nStored) : treeAt(diameter(stop));
    const parent = Uint16Array.from({ length: n }, (_, i) => i);
    const find = (i) => { while (parent[i] !== i) { parent[i] = parent[parent[i]]; i = parent[i]; } return i; };
    const words = Math.ceil(n / 32);
    const near = new Uint32Array(n * words);
    const degree = new Uint16Array(n);
    for (let e = 0; e < edges.length; e += 2) {
      const i = edges[e], j = edges[e + 1];
      const a = find(i), b = find(j);
      if (a !== b) parent[Math.max(a, b)] = Math.min(a, b);
      near[i * words + (j >> 5)] |= 1 << (j & 31);
      near[j * words + (i >> 5)] |= 1 << (i & 31);
      degree[i] += 1;
      degree[j] += 1;
    }
    const component = Uint16Array.from({ length: n }, (_, i) => find(i));
    let nTriangles = 0;
    const triangles = [];
    for (let e = 0; isComplete && e < edges.length; e += 2) {
      const i = edges[e], j = edges[e + 1];
      for (let w = j >> 5; w < words; w += 1) {
        let both = near[i * words + w] & near[j * words + w];
        // Keeps only vertices after j, so that each triangle i < j < k is found once.
        if (w === j >> 5) both &= (j & 31) === 31 ? 0 : -1 << ((j & 31) + 1);
        if (nTriangles > MAX_TRIANGLES) {
          nTriangles += bitCount(both);
          continue;
        }
        while (both) {
          const bit = 31 - Math.clz32(both & -both);
          both &= both - 1;
          nTriangles += 1;
          if (nTriangles <= MAX_TRIANGLES) triangles.push(i, j, 32 * w + bit);
        }
      }
    }
    let nIsolated = 0;
    for (const d of degree) if (d === 0) nIsolated += 1;
    const nComponents = new Set(component).size;
    const nEdges = isComplete ? nStored : item.edgeCounts[stop];
    return { edges, isComplete, nEdges, component, degree, triangles, nTriangles, nIsolated, nComponents };
  }

  // Edges of the minimum spanning tree up to a diameter: the death edges in dimension 0. Points at distance 0, which have
  // no bar, are joined by the edges of the first stop.
  function treeAt(shown) {
    const first = item.edges.subarray(0, 2 * item.edgesBelow[2]);
    const joined = item.bars[0].filter((bar) => bar.deathEdge && bar.death <= shown * (1 + 1e-5));
    return [...first, ...joined.flatMap((bar) => bar.deathEdge)];
  }

  // Number of bits of a 32-bit word that are set.
  function bitCount(word) {
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }

  const isDark = () => getComputedStyle(root).colorScheme === "dark";
  function componentColor(name, alpha = 1) {
    return `hsl(${(name * GOLDEN_ANGLE) % 360} 85% ${isDark() ? 66 : 40}% / ${alpha})`;
  }

  // Sizes a canvas to the width of its container and `ratio` times that height, in CSS pixels, and clears it.
  function prepare(canvas, ratio) {
    const width = Math.max(120, canvas.clientWidth);
    const height = Math.round(width * ratio);
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    pen.lineJoin = pen.lineCap = "round";
    return { pen, width, height };
  }

  function drawMessage(pen, width, height, text) {
    pen.fillStyle = ink("--soft");
    pen.textAlign = "center";
    const words = text.split(" ");
    const lines = [""];
    for (const word of words) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (pen.measureText(longer).width > width - 24 && lines.at(-1)) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    lines.forEach((line, k) => pen.fillText(line, width / 2, height / 2 + 17 * (k - lines.length / 2)));
    pen.textAlign = "start";
  }

  const showsPrefix = () => setup.prefix > 0 && (setup.allTokens || value("overlay") > 0);

  // Positions of the tokens: patches on the image, prefix tokens in a column to its left.
  function tokenLayout(width) {
    const [rows, columns] = setup.grid;
    const image = images[value("image")];
    const strip = showsPrefix() ? Math.max(26, width * 0.07) : 0;
    const across = width - strip;
    const ratio = image?.naturalWidth ? image.naturalHeight / image.naturalWidth : rows / columns;
    const height = across * ratio;
    const position = (t) => {
      if (t < setup.prefix) return [strip / 2, 18 + t * Math.min(26, (height - 36) / Math.max(1, setup.prefix))];
      const patch = t - setup.prefix;
      return [
        strip + across * ((patch % columns) + 0.5) / columns,
        height * (Math.floor(patch / columns) + 0.5) / rows,
      ];
    };
    return { strip, across, height, position, image, rows, columns };
  }

  const tokenOf = (point) => setup.allTokens ? point : point + setup.prefix;
  const pointOf = (t) => setup.allTokens ? t : t - setup.prefix;
  function nameOf(t) {
    // Whether a prefix token is a class token or a register is not known here.
    if (t < setup.prefix) return `prefix token ${t}`;
    const patch = t - setup.prefix;
    return `patch ${Math.floor(patch / setup.grid[1])},${patch % setup.grid[1]}`;
  }

  function drawLine(pen, points, isClosed = false) {
    pen.beginPath();
    points.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    if (isClosed) pen.closePath();
    pen.stroke();
  }

  // Draws a line on a wider one in the colour of the background, so that it is visible on any image.
  function drawStrong(pen, points, color, width, dash = []) {
    for (const [style, extra] of [[ink("--surface"), 3], [color, 0]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width + extra;
      pen.setLineDash(extra ? [] : dash);
      drawLine(pen, points);
    }
    pen.setLineDash([]);
  }

  function drawSelection(pen, position) {
    if (!selected) return;
    const at = (edge) => edge.map(position);
    if (selected.cycle.length) drawStrong(pen, [...selected.cycle, selected.cycle[0]].map(position), ink("--c2"), 3);
    if (selected.birthEdge) drawStrong(pen, at(selected.birthEdge), ink("--c0"), 3.5);
    if (selected.deathEdge) drawStrong(pen, at(selected.deathEdge), ink("--c1"), 3.5, [7, 6]);
  }

  function drawComplex(pen, complex, position, size) {
    const byColor = new Map();
    const pathsOf = (vertex) => {
      const name = complex.component[vertex];
      if (!byColor.has(name)) byColor.set(name, { edges: new Path2D(), faces: new Path2D() });
      return byColor.get(name);
    };
    const positions = Array.from(complex.degree, (_, vertex) => position(vertex));
    if (complex.nTriangles <= MAX_TRIANGLES) {
      for (let k = 0; k < complex.triangles.length; k += 3) {
        const [a, b, c] = [0, 1, 2].map((l) => positions[complex.triangles[k + l]]);
        const path = pathsOf(complex.triangles[k]).faces;
        path.moveTo(a[0], a[1]);
        path.lineTo(b[0], b[1]);
        path.lineTo(c[0], c[1]);
      }
    }
    const nDrawn = complex.edges.length / 2;
    for (let e = 0; e < nDrawn; e += 1) {
      const i = complex.edges[2 * e], j = complex.edges[2 * e + 1];
      const path = pathsOf(i).edges;
      path.moveTo(positions[i][0], positions[i][1]);
      path.lineTo(positions[j][0], positions[j][1]);
    }
    const alpha = Math.min(0.95, Math.max(0.05, 7 / Math.sqrt(nDrawn + 1)));
    // Many edges are drawn thinner and fainter.
    pen.lineWidth = nDrawn > 2500 ? 0.7 : 1.5;
    for (const [name, { edges, faces }] of byColor) {
      pen.fillStyle = componentColor(name, 0.14);
      pen.fill(faces);
      pen.strokeStyle = componentColor(name, alpha);
      pen.stroke(edges);
    }
    positions.forEach(([x, y], vertex) => {
      pen.beginPath();
      pen.arc(x, y, size(vertex), 0, 7);
      if (complex.degree[vertex]) {
        pen.fillStyle = componentColor(complex.component[vertex]);
        pen.fill();
      } else {
        pen.strokeStyle = ink("--ink");
        pen.lineWidth = 1.2;
        pen.stroke();
      }
    });
  }

  function drawComplexOnImage(complex) {
    const canvas = $("over_image");
    const { across, strip, height, position, image, rows, columns } = tokenLayout(Math.max(120, canvas.clientWidth));
    const { pen, width } = prepare(canvas, height / Math.max(120, canvas.clientWidth));
    pen.imageSmoothingEnabled = image?.naturalWidth >= 100;
    if (image?.naturalWidth) pen.drawImage(image, strip, 0, across, height);
    if (!item) {
      drawMessage(pen, width, height, isLoading ? "Loading"
        : "This matrix was left out to keep the page small. Inspect fewer layers, heads or images to include it.");
      return;
    }
    const overlay = value("overlay");
    if (overlay === 0) {
      // Fades the image, so that every colour stands out from it.
      pen.globalAlpha = 0.45;
      pen.fillStyle = ink("--surface");
      pen.fillRect(strip, 0, across, height);
      pen.globalAlpha = 1;
    }
    pen.strokeStyle = ink("--surface");
    pen.globalAlpha = 0.5;
    pen.lineWidth = 0.6;
    for (let r = 1; r < rows; r += 1) drawLine(pen, [[strip, height * r / rows], [width, height * r / rows]]);
    for (let c = 1; c < columns; c += 1) drawLine(pen, [[strip + across * c / columns, 0], [strip + across * c / columns, height]]);
    pen.globalAlpha = 1;
    const cell = Math.min(across / columns, height / rows);
    if (overlay === 0) {
      const at = (point) => position(tokenOf(point));
      const size = Math.min(5, Math.max(2, cell * 0.16));
      drawComplex(pen, complex, at, () => size);
      drawSelection(pen, at);
    } else {
      drawMap(pen, overlay, position, [across / columns, height / rows], Math.min(18, strip));
    }
    if (token < setup.prefix && !showsPrefix()) return;
    const [x, y] = position(token);
    const side = token < setup.prefix ? Math.min(18, strip) : cell;
    pen.lineWidth = 2;
    pen.strokeStyle = ink("--ink");
    pen.strokeRect(x - side / 2, y - side / 2, side, side);
    if (showsPrefix()) {
      pen.fillStyle = ink("--soft");
      pen.font = "10px system-ui, sans-serif";
      pen.fillText("prefix", 0, 8);
    }
  }

  // Attention of the selected token to each token, or cosine to it, from 0 to 1; null without data.
  function overlayWeights(overlay) {
    const n = setup.prefix + setup.grid[0] * setup.grid[1];
    if (overlay === 1) {
      const row = item.attention.subarray(token * n, (token + 1) * n);
      // There is one level for each colour; this is the middle of its range.
      return row.length ? Array.from(row, (level) => (level + 0.5) / setup.colors.length) : null;
    }
    if (!cosines) return null;
    const at = (i, j) => cosines[(i * (2 * n - i - 1)) / 2 + j - i - 1];
    return Array.from({ length: n }, (_, t) => t === token ? 1 : at(Math.min(t, token), Math.max(t, token)) / 255);
  }

  function drawMap(pen, overlay, position, [cellWidth, cellHeight], before) {
    const weights = overlayWeights(overlay);
    if (!weights) return;
    // Cosines of hidden states are rarely small, so their smallest value becomes the lower end of the colours.
    const least = overlay === 2 ? Math.min(...weights) : 0;
    weights.forEach((weight, t) => {
      const share = (weight - least) / Math.max(1e-9, 1 - least);
      const [w, h] = t < setup.prefix ? [before, before] : [cellWidth, cellHeight];
      const [x, y] = position(t);
      pen.globalAlpha = 0.72;
      // A share of 1 belongs to the last colour.
      pen.fillStyle = setup.colors[Math.min(setup.colors.length - 1, Math.floor(share * setup.colors.length))];
      pen.fillRect(x - w / 2, y - h / 2, w, h);
    });
    pen.globalAlpha = 1;
  }

  function drawInSpace(complex) {
    const { pen, width, height } = prepare($("in_space"), 0.8);
    if (!item) return;
    const [cy, sy, cx, sx] = [Math.cos(rotation[0]), Math.sin(rotation[0]), Math.cos(rotation[1]), Math.sin(rotation[1])];
    const reach = 0.42 * Math.min(width, height) / 1000;
    const depth = [];
    const position = (vertex) => {
      const [x, y, z] = [0, 1, 2].map((axis) => item.space[3 * vertex + axis]);
      const [x1, z1] = [cy * x + sy * z, cy * z - sy * x];
      const [y1, z2] = [cx * y - sx * z1, cx * z1 + sx * y];
      const near = 2600 / (2600 - z2);
      depth[vertex] = near;
      return [width / 2 + reach * x1 * near, height / 2 - reach * y1 * near];
    };
    drawComplex(pen, complex, position, (vertex) => 3.2 * depth[vertex] ** 2);
    drawSelection(pen, position);
    const point = pointOf(token);
    if (point >= 0 && point < item.points) {
      const [x, y] = position(point);
      pen.strokeStyle = ink("--ink");
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, 7, 0, 7);
      pen.stroke();
    }
    pen.fillStyle = ink("--soft");
    const share = item.shares.reduce((sum, part) => sum + part, 0);
    pen.fillText(`${Math.round(100 * share)} % of the variance`, 8, height - 9);
  }

  const currentDim = () => setup.dims[value("bars")] ?? 0;
  // Bars of the chosen dimension, longest first.
  function sortedBars() {
    const bars = [...(item?.bars[currentDim()] ?? [])];
    const length = (bar) => bar.death - bar.birth;
    return bars.sort((a, b) => (length(a) === length(b) ? a.index - b.index : length(b) - length(a)));
  }

  const SIDES = { left: 12, right: 12, top: 12, bottom: 30 };
  const across = (width) => {
    const [low, high] = range();
    return (x) => SIDES.left + (width - SIDES.left - SIDES.right) * (Math.min(high, Math.max(low, x)) - low) / (high - low);
  };
  const digits = (x) => x === 0 ? "0" : Math.abs(x) < 0.001 ? x.toExponential(2) : x.toFixed(4);

  function drawAxis(pen, x, width, height) {
    pen.strokeStyle = ink("--axis");
    pen.lineWidth = 1;
    drawLine(pen, [[SIDES.left, height - SIDES.bottom], [width - SIDES.right, height - SIDES.bottom]]);
    pen.fillStyle = ink("--soft");
    const [low, high] = range();
    for (const [share, align] of [[0, "left"], [0.5, "center"], [1, "right"]]) {
      const at = low + share * (high - low);
      pen.textAlign = align;
      pen.fillText(digits(at), x(at), height - 11);
    }
    pen.textAlign = "start";
  }

  function drawAsBars() {
    const { pen, width, height } = prepare($("as_bars"), 0.8);
    if (!item) return;
    const x = across(width);
    const bars = sortedBars();
    const step = Math.min(14, (height - SIDES.top - SIDES.bottom) / Math.max(1, bars.length));
    drawAxis(pen, x, width, height);
    bars.forEach((bar, row) => {
      const y = SIDES.top + step * (row + 0.5);
      const isSelected = bar === selected;
      pen.strokeStyle = isSelected ? ink("--ink") : ink(`--c${bar.dim}`);
      pen.lineWidth = isSelected ? Math.max(3, 0.8 * step) : Math.max(0.8, 0.6 * step);
      pen.lineCap = "butt";
      drawLine(pen, [[x(bar.birth), y], [Math.max(x(bar.death), x(bar.birth) + 1), y]]);
    });
    if (!bars.length) drawMessage(pen, width, height, `There is no bar in H${currentDim()}.`);
    pen.strokeStyle = ink("--ink");
    pen.lineWidth = 1.5;
    const at = x(diameter(value("diameter")));
    drawLine(pen, [[at, SIDES.top - 6], [at, height - SIDES.bottom]]);
  }

  function diagramAxes(width, height) {
    const x = across(width);
    const [low, high] = range();
    const top = SIDES.top + 22;
    const y = (death) => death === Infinity ? SIDES.top + 4
      : height - SIDES.bottom - (height - SIDES.bottom - top) * (Math.min(high, Math.max(low, death)) - low) / (high - low);
    return { x, y, top };
  }

  function drawAsPoints() {
    const { pen, width, height } = prepare($("as_points"), 0.8);
    if (!item) return;
    const { x, y, top } = diagramAxes(width, height);
    drawAxis(pen, x, width, height);
    pen.strokeStyle = ink("--axis");
    drawLine(pen, [[SIDES.left, height - SIDES.bottom], [width - SIDES.right, top]]);
    drawLine(pen, [[SIDES.left, top], [SIDES.left, height - SIDES.bottom]]);
    pen.setLineDash([4, 3]);
    drawLine(pen, [[SIDES.left, SIDES.top + 4], [width - SIDES.right, SIDES.top + 4]]);
    const shown = diameter(value("diameter"));
    pen.strokeStyle = ink("--soft");
    drawLine(pen, [[x(shown), height - SIDES.bottom], [x(shown), y(shown)], [SIDES.left, y(shown)]]);
    pen.setLineDash([]);
    for (const bar of item.bars[currentDim()]) mark(pen, x(bar.birth), y(bar.death), bar.dim, ink(`--c${bar.dim}`), 3.2);
    if (selected) mark(pen, x(selected.birth), y(selected.death), selected.dim, ink("--ink"), 6);
    const [line, dim] = [height - SIDES.bottom - 12, currentDim()];
    const n_bars = item.bars[dim].length;
    const legend = `H${dim}: ${n_bars} bar${n_bars === 1 ? "" : "s"}`;
    const left = width - SIDES.right - pen.measureText(legend).width;
    pen.fillStyle = ink("--panel");
    pen.fillRect(left - 18, line - 13, width - SIDES.right - left + 18, 20);
    mark(pen, left - 10, line - 4, dim, ink(`--c${dim}`), 3.6);
    pen.fillStyle = ink("--soft");
    pen.fillText(legend, left, line);
  }

  // Marker of a homology dimension. Shapes differ as well as colours: disc, triangle, square, as in the plots.
  function mark(pen, x, y, dim, color, size) {
    pen.fillStyle = color;
    pen.globalAlpha = 0.85;
    pen.beginPath();
    if (dim === 0) pen.arc(x, y, size, 0, 7);
    else if (dim === 1) { pen.moveTo(x, y - size); pen.lineTo(x + size, y + size); pen.lineTo(x - size, y + size); }
    else pen.rect(x - size, y - size, 2 * size, 2 * size);
    pen.fill();
    pen.globalAlpha = 1;
  }

  function writeState(complex) {
    if (!item) { $("state").textContent = ""; return; }
    const shown = diameter(value("diameter"));
    const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
    const alive = item.bars.map((bars) => bars.filter((bar) => bar.birth <= shown && shown < bar.death).length);
    const betti = alive.map((n, dim) => `β${dim}\u00a0=\u00a0${n}`).slice(1).join(", ");
    const hidden = complex.nTriangles > MAX_TRIANGLES ? " (too many to draw)" : "";
    const faces = complex.isComplete ? `, ${count(complex.nTriangles, "triangle")}${hidden}`
      : " (too many to draw, only the minimum spanning tree is drawn)";
    $("state").textContent = `Diameter ${digits(shown)}: ${count(complex.nComponents, "component")} `
      + `(${count(complex.nIsolated, "isolated vertex", "isolated vertices")}), ${count(complex.nEdges, "edge")}`
      + `${faces}${betti ? `, ${betti}` : ""}. Token: ${nameOf(token)}.`;
  }

  function writeSelection() {
    const edge = (ends) => ends.map((point) => nameOf(tokenOf(point))).join(" to ");
    const bars = sortedBars();
    if (!selected) {
      $("selected").textContent = item && !bars.length ? `There is no bar in H${currentDim()}.` : "No bar is selected.";
      return;
    }
    const birthText = selected.birthEdge ? ` with the edge ${edge(selected.birthEdge)}` : "";
    const deathText = selected.deathEdge ? `dies at ${digits(selected.death)} with the edge ${edge(selected.deathEdge)}` : "never dies";
    const cycle = selected.cycle.length ? `; a cycle of ${selected.cycle.length} tokens` : "";
    $("selected").textContent = `Bar ${bars.indexOf(selected) + 1} of ${bars.length} in H${selected.dim}, longest first: `
      + `born at ${digits(selected.birth)}${birthText}, ${deathText}${cycle}.`;
  }

  // Selects a bar and moves the diameter: to its birth, where a cycle appears, or, in dimension 0, to the stop before its
  // death, where its two components are still apart.
  function select(bar) {
    selected = bar ?? null;
    if (selected) {
      let stop = 0;
      if (selected.dim === 0) {
        while (stop + 1 < setup.stops && diameter(stop + 1) < selected.death) stop += 1;
      } else {
        // Six digits are stored, so the stop at a birth may have been rounded to just below it.
        while (stop + 1 < setup.stops && diameter(stop) < selected.birth * (1 - 1e-5)) stop += 1;
      }
      set("diameter", stop);
    }
    writeSelection();
    draw();
  }

  function draw() {
    const complex = item ? complexAt(value("diameter")) : null;
    drawComplexOnImage(complex);
    drawInSpace(complex);
    drawAsBars();
    drawAsPoints();
    writeState(complex);
  }

  // At most one drawing per animation frame, however many events arrive.
  let pending = false;
  function drawSoon() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; draw(); });
  }

  async function update() {
    const layer = value("image") * setup.layers + value("layer");
    const index = layer * setup.views + value("head");
    const key = `${index} ${value("bars")}`;
    if (key !== requested) {
      requested = key;
      isLoading = true;
      const [nextItem, nextCosines] = await Promise.all([unpack("item", index), unpack("cosines", layer)]);
      // Another matrix may have been requested while this one was unpacked.
      if (key !== requested) return;
      isLoading = false;
      const isOther = nextItem !== item || (selected && selected.dim !== currentDim());
      [item, cosines] = [nextItem, nextCosines];
      if (isOther) selected = null;
      if (!hasOpened && item) selectFirstBar();
      writeSelection();
    }
    drawSoon();
  }

  // Selects the longest finite bar when the page opens, unless the address sets the diameter. If the chosen dimension has no
  // bars, the first dimension that has some is chosen.
  function selectFirstBar() {
    hasOpened = true;
    if (location.hash.includes("diameter=")) return;
    if (!sortedBars().length) set("bars", setup.dims.findIndex((dim) => item.bars[dim].length));
    const bars = sortedBars();
    select(bars.find((bar) => bar.death < Infinity) ?? bars[0]);
  }

  function selectTokenAt(event) {
    const box = $("over_image").getBoundingClientRect();
    const { position } = tokenLayout(box.width);
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const n = setup.prefix + setup.grid[0] * setup.grid[1];
    const squaredDistance = (t) => { const [a, b] = position(t); return (a - x) ** 2 + (b - y) ** 2; };
    const first = showsPrefix() ? 0 : setup.prefix;
    token = Array.from({ length: n - first }, (_, t) => t + first).reduce((best, t) => squaredDistance(t) < squaredDistance(best) ? t : best);
    draw();
  }

  function moveToken(right, down) {
    const [rows, columns] = setup.grid;
    const patch = token - setup.prefix;
    if (patch < 0) {
      token = Math.min(Math.max(0, token + down), setup.prefix - 1);
      if (right > 0) token = setup.prefix;
      return;
    }
    const [row, column] = [Math.floor(patch / columns) + down, (patch % columns) + right];
    if (column < 0 && showsPrefix()) token = 0;
    else if (row >= 0 && row < rows && column >= 0 && column < columns) token = setup.prefix + row * columns + column;
  }

  function selectBarAt(event) {
    const box = $("as_bars").getBoundingClientRect();
    const bars = sortedBars();
    const step = Math.min(14, (box.height - SIDES.top - SIDES.bottom) / Math.max(1, bars.length));
    const row = Math.floor((event.clientY - box.top - SIDES.top) / step);
    select(bars[Math.min(Math.max(0, row), bars.length - 1)]);
  }

  function selectBarNear(event) {
    const box = $("as_points").getBoundingClientRect();
    const { x, y } = diagramAxes(box.width, box.height);
    const squaredDistance = (bar) => (x(bar.birth) - event.clientX + box.left) ** 2 + (y(bar.death) - event.clientY + box.top) ** 2;
    const bars = item.bars[currentDim()];
    if (bars.length) select(bars.reduce((best, bar) => squaredDistance(bar) < squaredDistance(best) ? bar : best));
  }

  function selectBarByKey(event) {
    const bars = sortedBars();
    const at = bars.indexOf(selected);
    const last = bars.length - 1;
    const next = {
      ArrowDown: Math.min(last, at + 1), ArrowUp: Math.max(0, at - 1), Home: 0, End: last,
      PageDown: Math.min(last, at + 10), PageUp: Math.max(0, at - 10),
    }[event.key];
    if (event.key === "Escape") select(null);
    else if (next !== undefined && last >= 0) select(bars[next]);
    else return;
    event.preventDefault();
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function onArrows(canvas, action) {
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !ARROWS[event.key] || !item) return;
      event.preventDefault();
      action(...ARROWS[event.key]);
      draw();
    });
  }

  function listen() {
    $("over_image").addEventListener("pointerdown", (event) => { if (item) selectTokenAt(event); });
    onArrows($("over_image"), moveToken);
    onArrows($("in_space"), (right, down) => { rotation = [rotation[0] + 0.12 * right, rotation[1] + 0.12 * down]; });
    const space = $("in_space");
    space.addEventListener("pointerdown", (event) => space.setPointerCapture(event.pointerId));
    space.addEventListener("pointermove", (event) => {
      if (!space.hasPointerCapture(event.pointerId)) return;
      rotation = [rotation[0] + 0.01 * event.movementX, rotation[1] + 0.01 * event.movementY];
      drawSoon();
    });
    for (const [id, action] of [["as_bars", selectBarAt], ["as_points", selectBarNear]]) {
      $(id).addEventListener("pointerdown", (event) => { if (item) action(event); });
      $(id).addEventListener("keydown", (event) => { if (item) selectBarByKey(event); });
    }
    document.addEventListener("page-shown", update);
    new MutationObserver(drawSoon).observe(root, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
    new ResizeObserver(drawSoon).observe($("viewer"));
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (!$("setup")) return;
    if (typeof DecompressionStream === "undefined") {
      $("state").textContent = "This browser cannot decompress the data. Use a browser from 2023 or later.";
      return;
    }
    setup = JSON.parse($("setup").textContent);
    images = [...$("images").querySelectorAll("img")];
    token = setup.prefix + Math.floor(setup.grid[0] / 2) * setup.grid[1] + Math.floor(setup.grid[1] / 2);
    for (const image of images) image.decode().then(drawSoon, () => {});
    listen();
    update();
  });
})();
