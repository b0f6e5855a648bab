// What the two labs with known answers share: numbers, requests that overtake each other, arrows and handles.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const rounded = (value, digits = 3) => +value.toFixed(digits);

  // Numbers of any size, with a true minus sign.
  const number = (value, digits = 3) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const text = size === 0 ? "0" : size < 1e-12 ? "0" : size < 1e-3 || size >= 1e5 ? value.toExponential(1) : size >= 1000 ? value.toFixed(0) : size >= 100 ? value.toFixed(1) : value.toFixed(digits);
    return text.replace(/-/g, "−");
  };

  // What is asked of the server while something is dragged: one request at a time, the newest wins.
  const asker = (path, got) => {
    let next = null;
    const ask = async (body, note = body) => {
      next = { body, note };
      if (ask.busy) return;
      ask.busy = true;
      while (next) {
        const now = next;
        next = null;
        try {
          got(await pg.api(path, now.body), now.note);
        } catch (error) {
          if (!next) pg.toast(error.message, "error");
        }
      }
      ask.busy = false;
    };
    ask.busy = false;
    return ask;
  };

  // Calls `draw` once before the next paint, however often it is asked for.
  const painter = (draw) => {
    let asked = 0;
    return () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
  };

  const line = (context, points) => {
    context.beginPath();
    points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  };

  const arrow = (context, x, y, dx, dy, head = 4) => {
    const length = Math.hypot(dx, dy) || 1, ux = dx / length, uy = dy / length;
    context.beginPath();
    context.moveTo(x - dx / 2, y - dy / 2);
    context.lineTo(x + dx / 2, y + dy / 2);
    context.lineTo(x + dx / 2 - head * (ux + 0.6 * uy), y + dy / 2 - head * (uy - 0.6 * ux));
    context.moveTo(x + dx / 2, y + dy / 2);
    context.lineTo(x + dx / 2 - head * (ux - 0.6 * uy), y + dy / 2 - head * (uy + 0.6 * ux));
    context.stroke();
  };

  // Drags of a handle: `grab()` when it begins, then `move(dx, dy)` in pixels since; arrow keys call `key(right, up)`.
  const draggable = (node, { grab, move, key, drop }) => {
    let from = null;
    node.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      event.stopPropagation();
      node.focus({ preventScroll: true });
      node.setPointerCapture(event.pointerId);
      from = [event.clientX, event.clientY];
      node.classList.add("dragging");
      grab?.();
    });
    node.addEventListener("pointermove", (event) => { if (from) move(event.clientX - from[0], event.clientY - from[1]); });
    const end = () => { if (!from) return; from = null; node.classList.remove("dragging"); drop?.(); };
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) node.addEventListener(name, end);
    node.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 10 : 1;
      const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
      if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      key(...by);
    });
  };

  const presets = (rows, use) => {
    const buttons = rows.map((row) => el("button", { type: "button", "data-tip": row.tip, onclick: () => use(row) }, row.name));
    const node = el("div.pg-th-presets", { role: "group", "aria-label": "Examples" }, ...buttons);
    const mark = (row) => buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(rows[at] === row)));
    return { node, mark };
  };

  pg.theory = { tools: { calm, rounded, number, asker, painter, line, arrow, draggable, presets } };
})();
