// The controls that the panels of Explore are made of: sliders, chips, segments, folds, bars and lines.
"use strict";

window.playground.parts = (() => {
  const pg = window.playground;
  const { el } = pg;
  const parts = {};
  let ids = 0;
  const newId = (what) => `pgx-${what}-${++ids}`;
  const SVG = "http://www.w3.org/2000/svg";

  const LINES = {
    undo: "M9 14L4 9l5-5M4.5 9H14a6 6 0 0 1 0 12h-3",
    redo: "M15 14l5-5-5-5M19.5 9H10a6 6 0 0 0 0 12h3",
    reset: "M4 5v5h5M4.6 10A8 8 0 1 1 4 14",
    dice: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01",
    play: "M8 5l11 7-11 7z",
    pause: "M8 5v14M16 5v14",
    compare: "M12 3v18M5 7h4v10H5zM15 7h4v10h-4z",
    pixels: "M4 4h16v16H4zM4 12h16M12 4v16",
    export: "M12 4v11M7.5 10.5L12 15l4.5-4.5M5 20h14",
    up: "M7 21V11l4-8a2 2 0 0 1 2 2.4L12 10h6.4a2 2 0 0 1 2 2.4l-1.4 7a2 2 0 0 1-2 1.6zM7 11H3.5v10H7",
    down: "M17 3v10l-4 8a2 2 0 0 1-2-2.4l1-4.6H5.600a2 2 0 0 1-2-2.4l1.400-7A2 2 0 0 1 7 3zM17 13h3.500V3H17",
    left: "M15 5l-7 7 7 7",
    right: "M9 5l7 7-7 7",
    close: "M6 6l12 12M18 6L6 18",
    swap: "M7 4L3 8l4 4M3 8h14M17 12l4 4-4 4M21 16H7",
    layers: "M12 3l9 5-9 5-9-5zM3 13l9 5 9-5",
    plus: "M12 5v14M5 12h14",
  };
  parts.icon = (name) => {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("pgx-icon");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", LINES[name]);
    svg.append(path);
    return svg;
  };

  parts.button = (text, onclick, { picture = null, kind = "", hint = null, hidden = false, ...rest } = {}) =>
    el(`button.pgx-button${kind ? `.${kind}` : ""}`, { type: "button", onclick, title: hint, hidden, ...rest }, picture && parts.icon(picture), el("span", {}, text));
  parts.tool = (picture, label, onclick, rest = {}) => el("button.pgx-tool", { type: "button", "aria-label": label, title: label, onclick, ...rest }, parts.icon(picture));
  parts.words = (name) => { const text = String(name).replaceAll("_", " "); return text[0].toUpperCase() + text.slice(1); };
  parts.percent = (share, signed = false) => {
    const whole = Math.round(Math.abs(share) * 100);
    return `${!signed || !whole ? "" : share > 0 ? "+" : "−"}${whole} %`;
  };
  parts.signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)}`;
  parts.hint = (text) => el("p.pgx-hint", {}, text);

  // --- a slider with its name, its value and a way back to `neutral`; the filled part begins there
  parts.slider = ({ label, min, max, step, value, neutral = min, format = pg.value, oninput, onseal = () => {}, hint = null, resets = true }) => {
    const id = newId("slider");
    const input = el("input.pgx-range", { type: "range", id, min, max, step, title: hint });
    const output = el("output", { for: id });
    const back = resets && el("button.pgx-back", { type: "button", "aria-label": `Reset ${label}`, title: "Reset", onclick: () => { set(neutral); oninput(neutral, performance.now()); onseal(); } }, parts.icon("reset"));
    const name = el("label", { for: id, title: hint }, label);
    const head = el("div.pgx-slider-head", {}, name, back, output);
    const node = el("div.pgx-slider", {}, head, input);
    const show = () => {
      const low = +input.min, high = +input.max, at = (number) => `${((Math.min(high, Math.max(low, number)) - low) / (high - low)) * 100}%`;
      const current = +input.value;
      input.style.setProperty("--from", at(Math.min(neutral, current)));
      input.style.setProperty("--to", at(Math.max(neutral, current)));
      output.textContent = format(current);
      input.setAttribute("aria-valuetext", format(current));
      node.classList.toggle("moved", Math.abs(current - neutral) > 1e-9);
    };
    const set = (number) => { if (+input.value !== number) { input.value = number; show(); } }; // panels set all they have
    input.addEventListener("input", (event) => { show(); oninput(+input.value, event.timeStamp); });
    input.addEventListener("change", () => onseal());
    input.addEventListener("dblclick", () => { set(neutral); oninput(neutral, performance.now()); onseal(); });
    const bounds = (low, high) => {
      if (+input.min === low && +input.max === high) return;
      Object.assign(input, { min: low, max: high });
      show();
    };
    input.value = value;
    show();
    return { node, input, head, name, set, bounds, enable: (on) => { input.disabled = !on; node.classList.toggle("off", !on); } };
  };

  // What is set again and again while a slider moves touches the page only when it is new.
  const onlyNew = (set) => {
    let last;
    return (value) => { if (value !== last) { last = value; set(value); } };
  };

  // --- a few choices of which one holds
  parts.segment = (label, choices, value, onpick) => {
    const node = el("div.pgx-segment", { role: "group", "aria-label": label });
    const buttons = choices.map(([key, text, hint]) => el("button", { type: "button", title: hint, "data-value": String(key), onclick: () => { set(key); onpick(key); } }, text));
    const set = onlyNew((key) => { for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === String(key))); });
    node.append(...buttons);
    set(value);
    return { node, set, buttons };
  };

  // --- chips: one choice of many
  parts.chips = (label, choices, value, onpick) => {
    const node = el("div.pgx-chips", { role: "group", "aria-label": label });
    const set = onlyNew((key) => { for (const chip of node.children) chip.setAttribute("aria-pressed", String(chip.dataset.value === String(key))); });
    node.append(...choices.map(([key, text]) => el("button.pgx-chip", { type: "button", "data-value": String(key), onclick: () => { set(key); onpick(key); } }, text)));
    set(value);
    return { node, set };
  };

  parts.select = (label, choices, value, onpick) => {
    const node = el("select.pgx-select", { "aria-label": label }, ...choices.map(([key, text]) => el("option", { value: key }, text)));
    node.value = value;
    node.addEventListener("change", () => onpick(node.value));
    return { node, set: (key) => { node.value = key; } };
  };

  parts.check = (label, value, onchange, hint = null) => {
    const box = el("input", { type: "checkbox" });
    box.checked = value;
    box.addEventListener("change", () => onchange(box.checked));
    return { node: el("label.pgx-check", { title: hint }, box, label), set: (on) => { box.checked = on; } };
  };

  parts.field = (label, control, hint = null) => el("div.pgx-field", {}, el("span.pgx-field-name", { title: hint }, label), control);

  // --- a seed: a whole number that commits on Enter or when it is left
  parts.seed = (label, onpick) => {
    const input = el("input.pgx-number", { type: "number", min: 0, max: 2147483647, step: 1, "aria-label": label, inputmode: "numeric" });
    input.addEventListener("change", () => {
      const seed = Math.max(0, Math.min(2147483647, Math.round(+input.value)));
      if (input.value !== "" && Number.isFinite(seed)) onpick(seed);
    });
    return { node: input, set: (seed) => { if (document.activeElement !== input) input.value = seed ?? ""; } };
  };

  // --- a range of layers with two ends
  parts.layerRange = (count, names, value, onchange) => {
    const end = (label, at) => {
      const input = el("input", { type: "range", min: 0, max: count - 1, step: 1, "aria-label": label });
      input.value = at;
      return input;
    };
    const low = end("First layer", value[0]), high = end("Last layer", value[1]);
    const text = el("span.pgx-layers-text");
    const node = el("div.pgx-two-ends", {}, el("div.pgx-two-track", {}, low, high), text);
    const show = () => {
      const scale = 100 / Math.max(1, count - 1);
      node.style.setProperty("--from", `${low.value * scale}%`);
      node.style.setProperty("--to", `${high.value * scale}%`);
      text.textContent = low.value === high.value ? names[low.value] : `${names[low.value]} to ${names[high.value]}`;
    };
    const moved = (event) => {
      if (+low.value > +high.value) (event.target === low ? high : low).value = event.target.value;
      show();
      onchange([+low.value, +high.value], event.timeStamp);
    };
    for (const input of [low, high]) input.addEventListener("input", moved);
    const set = ([first, last]) => { low.value = first; high.value = last; show(); };
    show();
    return { node, set };
  };

  // --- a panel that folds; its content is filled when it is first open
  parts.panel = ({ id, title, hint, open, ontoggle }) => {
    const body = el("div.pgx-panel-body");
    const mark = el("span.pgx-mark", { hidden: true });
    const node = el("details.pgx-panel", { "data-panel": id, open }, el("summary", {}, el("h3", {}, title), mark, el("span.pgx-summary-hint", {}, hint), parts.icon("right")), body);
    node.addEventListener("toggle", () => ontoggle(node.open));
    return { node, body, setMark: (text) => { mark.textContent = text || ""; mark.hidden = !text; } };
  };

  parts.fold = (title, ...content) => el("details.pgx-fold", {}, el("summary", {}, title), el("div", {}, ...content));

  parts.busy = (text) => el("p.pgx-busy", { role: "status" }, el("i", { "aria-hidden": "true" }), text);
  parts.problem = (text) => el("p.pgx-problem", { role: "alert" }, text);

  // --- "also changes": the largest changes of other readings, as small bars
  parts.leaks = (leakage, own, attributes) => {
    const spoken = (name) => attributes.find((one) => one.name === name)?.label || parts.words(name).toLowerCase();
    const others = Object.entries(leakage || {}).filter(([name, change]) => name !== own && Math.abs(change) >= 0.02);
    if (!leakage) return null;
    if (!others.length) return el("div.pgx-leaks", {}, el("span.pgx-leak-none", {}, "changes little else"));
    others.sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const told = others.map(([name, change]) => `${spoken(name)} ${parts.percent(change, true)}`).join(", ");
    return el("div.pgx-leaks", { title: `At strength +2 it also changes: ${told}` }, el("span", {}, "also changes"),
      ...others.slice(0, 3).map(([name, change]) => el("span.pgx-leak", {}, el("i", { class: change < 0 ? "less" : "more", style: `--share:${Math.min(1, Math.abs(change)) * 100}%` }), `${spoken(name)} ${parts.percent(change, true)}`)));
  };

  // --- bars to both sides of zero: rows of [name, value]
  parts.bars = (rows, { strong = null, format = (value) => parts.percent(value, true), label = "" } = {}) => {
    const most = Math.max(0.05, ...rows.map(([, value]) => Math.abs(value)));
    return el("dl.pgx-bars", { "aria-label": label }, ...rows.map(([name, value]) => el(`div${name === strong ? ".strong" : ""}`, {},
      el("dt", {}, parts.words(name)),
      el("dd", {}, el("i", { "aria-hidden": "true", class: value < 0 ? "less" : "more", style: `--share:${(Math.abs(value) / most) * 50}%` }), el("span", {}, format(value))))));
  };

  // --- curves of readings in [0, 1] along a path, with a mark that moves
  parts.curves = (series, strong, label) => {
    const width = 320, height = 120;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    svg.classList.add("pgx-curves");
    const add = (tag, attributes) => {
      const node = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      svg.append(node);
      return node;
    };
    for (const level of [0, 0.5, 1]) add("line", { x1: 0, x2: width, y1: 4 + (1 - level) * (height - 8), y2: 4 + (1 - level) * (height - 8), class: "grid" });
    const names = Object.keys(series), long = Math.max(1, ...names.map((name) => series[name].length - 1));
    const x = (at) => (at / long) * width, y = (value) => 4 + (1 - value) * (height - 8);
    const legend = el("div.pgx-legend");
    let colours = 0;
    for (const name of [...strong, ...names.filter((other) => !strong.includes(other))]) {
      if (!series[name]) continue;
      const wanted = strong.includes(name), colour = wanted ? pg.palette(colours++) : "var(--pg-muted)";
      add("polyline", { points: series[name].map((value, at) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" "), style: `stroke:${colour}`, class: wanted ? "strong" : "held" });
      if (wanted) legend.append(el("span", {}, el("i", { style: `background:${colour}` }), parts.words(name)));
    }
    if (names.length > strong.length) legend.append(el("span.held", {}, el("i"), "held"));
    const mark = add("line", { x1: 0, x2: 0, y1: 0, y2: height, class: "mark" });
    const move = (at) => { mark.setAttribute("x1", x(at)); mark.setAttribute("x2", x(at)); };
    return { node: el("figure.pgx-curves-box", {}, svg, legend), move };
  };

  parts.thumb = (label, extra = {}) => el("canvas.pgx-thumb", { role: "img", "aria-label": label, width: 16, height: 16, ...extra });

  // Calls are put off until `wait` ms passed without another.
  parts.later = (wait, action) => {
    let timer = null;
    return (...values) => { clearTimeout(timer); timer = setTimeout(() => action(...values), wait); };
  };
  return parts;
})();
