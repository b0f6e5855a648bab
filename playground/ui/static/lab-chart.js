// Small live charts for the labs, on a canvas: lines over steps, and two histograms over one another.
"use strict";

(() => {
  const pg = window.playground;
  const { el, labs } = pg;
  const LEFT = 36, RIGHT = 6, TOP = 7, BOTTOM = 17;

  // The widest round distance at which two grid lines at least lie between the limits.
  const gapOf = (low, high, whole) => {
    const power = 10 ** Math.floor(Math.log10(high - low));
    const lines = (gap) => Math.floor(high / gap + 1e-9) - Math.ceil(low / gap - 1e-9) + 1;
    const gap = [5, 2.5, 2, 1, 0.5, 0.25, 0.2, 0.1].map((one) => one * power).find((one) => lines(one) >= 2 && (!whole || Number.isInteger(one)));
    return gap ?? (whole ? 1 : (high - low) / 2);
  };
  const tick = (value) => (Math.abs(value) >= 1000 ? `${+(value / 1000).toPrecision(3)}k` : String(+value.toPrecision(3)));

  // Limits that hold nearly all values: a single spike does not flatten the rest of the line.
  const limits = (series, { floor, ceiling }) => {
    const all = [];
    for (const { y } of series) {
      const stride = Math.max(1, Math.floor(y.length / 600));
      for (let at = 0; at < y.length; at += stride) if (Number.isFinite(y[at])) all.push(y[at]);
    }
    if (!all.length) return [floor ?? 0, ceiling ?? 1];
    all.sort((a, b) => a - b);
    const share = (part) => all[Math.round(part * (all.length - 1))];
    let low = all.length > 60 ? share(0.005) : all[0], high = all.length > 60 ? share(0.995) : all.at(-1);
    if (floor !== undefined) low = floor;
    if (ceiling !== undefined) high = ceiling;
    if (!(high > low)) [low, high] = floor === undefined ? [low - 0.5, high + 0.5] : [low, low + Math.max(0.1, Math.abs(low) * 0.1)];
    const room = (high - low) * 0.06;
    return [floor === undefined ? low - room : low, ceiling === undefined ? high + room : high];
  };

  // A chart with a name, an explanation and the newest numbers in its head: {node, set(series), clear()}.
  // `series`: [{name, color, x, y}], colours named as in labs.colours(); x ascends. `floor` and `ceiling` fix the limits;
  // set(series, ceiling) changes the upper one. `format` is that of the numbers, `axis` that of the scale.
  labs.chart = ({ title, help, height = 98, format = pg.short, axis = tick, floor, ceiling, whole = false, unit = "step" }) => {
    const now = el("span.pg-lab-now");
    const place = el("div.pg-lab-plot");
    const node = el("figure.pg-lab-chart", {}, el("figcaption", {}, labs.words(title, help), now), place);
    const canvas = labs.canvas(place, { fixed: height, label: title });
    let series = [], probe = null, asked = 0;

    const value = (number) => (Number.isFinite(number) ? format(number) : "–");

    const say = (at = null) => {
      const names = series.length > 1;
      now.replaceChildren(...series.map((one) => {
        const index = at === null ? one.y.length - 1 : nearest(one.x, at);
        const mark = el("i");
        mark.style.background = `var(--pg-${one.color})`;
        return el("b", { title: one.name }, names && mark, value(one.y[index]));
      }));
      if (at !== null) now.prepend(el("small", {}, `${unit} ${pg.number(at)}`));
    };

    const nearest = (x, at) => {
      let low = 0, high = x.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (x[middle] < at) low = middle + 1;
        else high = middle;
      }
      return low > 0 && at - x[low - 1] < x[low] - at ? low - 1 : low;
    };

    const draw = () => {
      const { context, width } = canvas;
      if (!width) return;
      const colours = labs.colours(), tall = canvas.height;
      context.clearRect(0, 0, width, tall);
      const [low, high] = limits(series, { floor, ceiling });
      const first = Math.min(...series.map(({ x }) => x[0] ?? Infinity)), last = Math.max(...series.map(({ x }) => x.at(-1) ?? -Infinity));
      const from = Number.isFinite(first) ? Math.min(first, 0) : 0, to = Math.max(from + 1, Number.isFinite(last) ? last : 1);
      const across = (x) => LEFT + ((x - from) / (to - from)) * (width - LEFT - RIGHT);
      const down = (y) => TOP + (1 - (y - low) / (high - low)) * (tall - TOP - BOTTOM);
      context.font = `10.5px ${colours.font}`;
      context.lineWidth = 1;
      context.strokeStyle = colours.line;
      context.fillStyle = colours.muted;
      context.textAlign = "right";
      context.textBaseline = "middle";
      const gap = gapOf(low, high, whole);
      for (let y = Math.ceil(low / gap - 1e-9) * gap; y <= high + gap * 1e-6; y += gap) {
        const at = Math.round(down(y)) + 0.5;
        context.beginPath();
        context.moveTo(LEFT, at);
        context.lineTo(width - RIGHT, at);
        context.stroke();
        context.fillText(axis(Math.abs(y) < gap * 1e-6 ? 0 : y), LEFT - 6, at);
      }
      context.textBaseline = "alphabetic";
      context.textAlign = "left";
      context.fillText(pg.number(from), LEFT, tall - 3);
      context.textAlign = "right";
      if (Number.isFinite(last)) context.fillText(pg.number(to), width - RIGHT, tall - 3);
      context.save();
      context.beginPath();
      context.rect(LEFT, TOP - 3, width - LEFT - RIGHT + 3, tall - TOP - BOTTOM + 6);
      context.clip();
      context.lineWidth = 1.6;
      context.lineJoin = "round";
      for (const { x, y, color } of series) {
        context.strokeStyle = colours[color];
        context.globalAlpha = 0.92;
        context.beginPath();
        let open = false;
        const stride = Math.max(1, Math.floor(x.length / (2 * width)));
        for (let at = 0; at < x.length; at += stride) {
          if (!Number.isFinite(y[at])) { open = false; continue; }
          if (open) context.lineTo(across(x[at]), down(y[at]));
          else context.moveTo(across(x[at]), down(y[at]));
          open = true;
        }
        context.stroke();
      }
      context.globalAlpha = 1;
      if (probe !== null) {
        const at = Math.round(from + ((probe - LEFT) / (width - LEFT - RIGHT)) * (to - from));
        context.strokeStyle = colours["line-strong"];
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(Math.round(probe) + 0.5, TOP);
        context.lineTo(Math.round(probe) + 0.5, tall - BOTTOM);
        context.stroke();
        for (const { x, y, color } of series) {
          const index = nearest(x, at);
          if (!Number.isFinite(y[index])) continue;
          context.fillStyle = colours[color];
          context.beginPath();
          context.arc(across(x[index]), down(y[index]), 3, 0, 7);
          context.fill();
        }
        say(at);
      } else {
        say();
      }
      context.restore();
    };

    const later = () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
    canvas.onresize = draw;
    labs.onTheme(later);
    const point = (event) => { probe = Math.max(LEFT, Math.min(canvas.width - RIGHT, event.offsetX)); later(); };
    canvas.canvas.addEventListener("pointermove", point);
    canvas.canvas.addEventListener("pointerdown", point);
    for (const name of ["pointerleave", "pointercancel"]) canvas.canvas.addEventListener(name, () => { probe = null; later(); });
    return { node, set(next, top) { series = next; if (top !== undefined) ceiling = top; later(); }, clear() { series = []; later(); } };
  };

  // Two histograms over one another: {node, set({real, fake, low, high})}.
  labs.histogram = ({ title, help, height = 98, names = ["real", "fake"], colors = ["d", "g"], format = tick }) => {
    const now = el("span.pg-lab-now", {}, ...names.map((name, at) => {
      const mark = el("i");
      mark.style.background = `var(--pg-${colors[at]})`;
      return el("b.plain", {}, mark, name);
    }));
    const place = el("div.pg-lab-plot");
    const node = el("figure.pg-lab-chart", {}, el("figcaption", {}, labs.words(title, help), now), place);
    const canvas = labs.canvas(place, { fixed: height, label: title });
    let shown = null, asked = 0;
    const draw = () => {
      const { context, width } = canvas;
      if (!width) return;
      const colours = labs.colours(), tall = canvas.height, foot = tall - BOTTOM;
      context.clearRect(0, 0, width, tall);
      context.strokeStyle = colours.line;
      context.beginPath();
      context.moveTo(LEFT, foot + 0.5);
      context.lineTo(width - RIGHT, foot + 0.5);
      context.stroke();
      if (!shown) return;
      const rows = [shown.real, shown.fake];
      const most = Math.max(1e-12, ...rows.flatMap((row) => [...row])), bins = rows[0].length;
      const step = (width - LEFT - RIGHT) / bins;
      rows.forEach((row, which) => {
        context.fillStyle = colours[colors[which]];
        context.globalAlpha = 0.62;
        row.forEach((count, at) => {
          const rise = (count / most) * (foot - TOP);
          context.fillRect(LEFT + at * step + 0.5, foot - rise, Math.max(1, step - 1), rise);
        });
      });
      context.globalAlpha = 1;
      context.font = `10.5px ${colours.font}`;
      context.fillStyle = colours.muted;
      context.textAlign = "left";
      context.fillText(format(shown.low), LEFT, tall - 3);
      context.textAlign = "right";
      context.fillText(format(shown.high), width - RIGHT, tall - 3);
    };
    const later = () => { asked ||= requestAnimationFrame(() => { asked = 0; draw(); }); };
    canvas.onresize = draw;
    labs.onTheme(later);
    return { node, set(next) { shown = next; later(); } };
  };
})();
