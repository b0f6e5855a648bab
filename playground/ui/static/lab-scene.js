// The plane of one contestant: D's surface, the generator's deformed grid, real and generated points, their trails, and
// the arrows along which G is told to move them. Blue is real and vermilion is made, for the points and for the surface.
"use strict";

(() => {
  const pg = window.playground;
  const { labs } = pg;
  const TRAIL = 12; // places of the past that are kept of each point
  const ARROW = 0.16; // the longest arrow, as a share of the plane's side

  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const blend = (from, to, share) => from.map((one, at) => Math.round(one + share * (to[at] - one)));

  // The colour of what D says, from -1 (made) over 0 (can't tell) to 1 (real), in 256 steps.
  let scale = null;
  labs.onTheme(() => { scale = null; });
  const surfaceScale = () => {
    if (!scale) {
      const colours = labs.colours(), ground = rgb(colours.panel), ends = [rgb(colours.g), rgb(colours.d)];
      scale = new Uint8ClampedArray(256 * 4);
      for (let at = 0; at < 256; at++) {
        const side = (at - 127.5) / 127.5;
        scale.set([...blend(ground, ends[+(side > 0)], 0.5 * Math.abs(side) ** 0.85), 255], 4 * at);
      }
    }
    return scale;
  };

  // Where a value of the surface stands on that scale. A probability is read as it is, so that 0.5 has no colour; a score
  // has no zero that all methods share, so its range is taken; a low energy means real.
  const placeOf = (value, kind, low, high) => {
    if (kind === "probability") return 2 * value - 1;
    const share = high > low ? (2 * (value - low)) / (high - low) - 1 : 0;
    return kind === "energy" ? -share : share;
  };

  class Scene {
    constructor(root, label) {
      this.plane = labs.canvas(root, { label });
      this.plane.onresize = () => { this.ground = null; this.draw(); };
      labs.onTheme(() => { this.ground = null; this.painted = null; this.draw(); });
      this.sheet = document.createElement("canvas"); // the surface, a pixel a value
      this.layers = new Set();
      this.trail = [];
      this.bounds = [-1, 1, -1, 1];
      this.real = null;
      this.frame = null;
      this.kind = "probability";
      this.probe = null; // [x, y] in the plane
      this.drawn = 0;
    }

    setData({ bounds, real }) {
      Object.assign(this, { bounds, real, ground: null, frame: null, trail: [] });
      const [x0, x1, y0, y1] = bounds;
      this.plane.ratio = (x1 - x0) / (y1 - y0);
      this.plane.refit();
      this.draw();
    }

    // A frame's contestant with its arrays decoded.
    take(frame) {
      if (frame.fake) {
        if (this.frame && frame.step < this.frame.step) this.trail = [];
        if (this.trail.length && this.trail[0].length !== frame.fake.length) this.trail = [];
        if (!this.frame || frame.step !== this.frame.step || !this.trail.length) this.trail.push(frame.fake);
        if (this.trail.length > TRAIL) this.trail.shift();
      }
      this.frame = frame;
      this.draw();
    }

    forget() {
      this.trail = [];
      this.frame = null;
      this.draw();
    }

    draw() {
      this.asked ||= requestAnimationFrame(() => { this.asked = 0; this.paint(); });
    }

    across(x) { return ((x - this.bounds[0]) / (this.bounds[1] - this.bounds[0])) * this.plane.width; }

    down(y) { return ((this.bounds[3] - y) / (this.bounds[3] - this.bounds[2])) * this.plane.height; }

    paint() {
      const { context, width, height } = this.plane, { frame, layers } = this;
      if (!width) return;
      const colours = labs.colours();
      context.fillStyle = colours.panel;
      context.fillRect(0, 0, width, height);
      if (layers.has("surface") && frame?.surface) this.paintSurface(context);
      if (layers.has("manifold") && frame?.manifold) this.paintManifold(context, colours);
      if (layers.has("real") && this.real) context.drawImage(this.paintReal(colours), 0, 0, width, height);
      if (layers.has("trails")) this.paintTrails(context, colours);
      if (layers.has("fake") && frame?.fake) this.paintPoints(context, frame.fake, colours.g, colours.panel, 2.5);
      if (layers.has("arrows") && frame?.arrows) this.paintArrows(context, colours);
      if (this.probe) this.paintProbe(context, colours);
      this.drawn += 1;
    }

    paintSurface(context) {
      const { surface, surface_size: side, surface_low: low, surface_high: high } = this.frame;
      if (this.sheet.width !== side) Object.assign(this.sheet, { width: side, height: side });
      const sheet = this.sheet.getContext("2d"), image = sheet.createImageData(side, side), scale = surfaceScale();
      const table = Array.from({ length: 256 }, (_, at) => {
        const place = placeOf(low + (at / 255) * (high - low), this.kind, low, high);
        return 4 * Math.max(0, Math.min(255, Math.round(127.5 + 127.5 * place)));
      });
      for (let row = 0; row < side; row++) {
        const to = 4 * side * (side - 1 - row); // the rows come from below
        for (let column = 0; column < side; column++) {
          const from = table[surface[row * side + column]];
          image.data.set(scale.subarray(from, from + 4), to + 4 * column);
        }
      }
      sheet.putImageData(image, 0, 0);
      context.imageSmoothingEnabled = true;
      context.imageSmoothingQuality = "high";
      context.drawImage(this.sheet, 0, 0, this.plane.width, this.plane.height);
    }

    // The grid of latents as G bends it; where it is drawn together, G puts many samples, and the shade is deep.
    paintManifold(context, colours) {
      const { manifold, manifold_shape: [rows, columns] } = this.frame;
      const x = new Float32Array(rows * columns), y = new Float32Array(rows * columns);
      for (let at = 0; at < x.length; at++) {
        x[at] = this.across(manifold[2 * at]);
        y[at] = this.down(manifold[2 * at + 1]);
      }
      context.fillStyle = context.strokeStyle = colours.c3;
      context.lineJoin = context.lineCap = "round";
      if (columns === 1) {
        const usual = (this.plane.width + this.plane.height) / rows;
        for (let at = 1; at < rows; at++) {
          const dense = Math.sqrt(usual / Math.max(0.05, Math.hypot(x[at] - x[at - 1], y[at] - y[at - 1])));
          context.globalAlpha = Math.min(0.95, 0.3 + 0.25 * dense);
          context.lineWidth = Math.min(7, 1.2 + 1.2 * dense);
          context.beginPath();
          context.moveTo(x[at - 1], y[at - 1]);
          context.lineTo(x[at], y[at]);
          context.stroke();
        }
        context.globalAlpha = 1;
        return;
      }
      const usual = (this.plane.width * this.plane.height) / ((rows - 1) * (columns - 1));
      for (let row = 1; row < rows; row++) {
        for (let column = 1; column < columns; column++) {
          const corners = [(row - 1) * columns + column - 1, (row - 1) * columns + column, row * columns + column, row * columns + column - 1];
          const [a, b, c, d] = corners;
          const area = 0.5 * Math.abs((x[c] - x[a]) * (y[d] - y[b]) - (x[d] - x[b]) * (y[c] - y[a]));
          context.globalAlpha = Math.min(0.6, 0.1 * Math.sqrt(usual / Math.max(0.5, area)));
          context.beginPath();
          context.moveTo(x[a], y[a]);
          for (const corner of [b, c, d]) context.lineTo(x[corner], y[corner]);
          context.closePath();
          context.fill();
        }
      }
      context.globalAlpha = 0.5;
      context.lineWidth = 0.8;
      context.beginPath();
      for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) context[column ? "lineTo" : "moveTo"](x[row * columns + column], y[row * columns + column]);
      for (let column = 0; column < columns; column++) for (let row = 0; row < rows; row++) context[row ? "lineTo" : "moveTo"](x[row * columns + column], y[row * columns + column]);
      context.stroke();
      context.globalAlpha = 1;
    }

    // The real points stay where they are: they are drawn once.
    paintReal(colours) {
      if (!this.ground) {
        const { canvas, width, height } = this.plane;
        this.ground = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
        const context = this.ground.getContext("2d");
        context.scale(canvas.width / width, canvas.height / height);
        context.globalAlpha = 0.7;
        this.paintPoints(context, this.real, colours.d, null, 1.9);
      }
      return this.ground;
    }

    paintPoints(context, points, colour, rim, radius) {
      const size = radius * Math.max(0.72, Math.min(1.15, this.plane.width / 520));
      context.beginPath();
      for (let at = 0; at < points.length; at += 2) {
        const x = this.across(points[at]), y = this.down(points[at + 1]);
        context.moveTo(x + size, y);
        context.arc(x, y, size, 0, 7);
      }
      if (rim) {
        context.strokeStyle = rim;
        context.lineWidth = 1.2;
        context.stroke();
      }
      context.fillStyle = colour;
      context.fill();
    }

    paintTrails(context, colours) {
      const { trail } = this;
      context.strokeStyle = colours.g;
      context.lineWidth = 0.8;
      for (let age = 1; age < trail.length; age++) {
        const from = trail[age - 1], to = trail[age];
        context.globalAlpha = 0.03 + (0.27 * age) / TRAIL;
        context.beginPath();
        for (let at = 0; at < to.length; at += 2) {
          context.moveTo(this.across(from[at]), this.down(from[at + 1]));
          context.lineTo(this.across(to[at]), this.down(to[at + 1]));
        }
        context.stroke();
      }
      context.globalAlpha = 1;
    }

    // The lengths keep their order and vanish with the gradient, but a huge one does not cross the plane.
    paintArrows(context, colours) {
      const { arrows } = this.frame, most = ARROW * this.plane.width;
      context.strokeStyle = context.fillStyle = colours.ink;
      context.lineWidth = 1.2;
      context.globalAlpha = 0.8;
      const heads = new Path2D(), shafts = new Path2D();
      for (let at = 0; at < arrows.length; at += 4) {
        const size = Math.hypot(arrows[at + 2], arrows[at + 3]);
        if (!(size > 0)) continue;
        const length = (most * size) / (size + 1), ux = arrows[at + 2] / size, uy = -arrows[at + 3] / size;
        if (length < 0.7) continue;
        const x = this.across(arrows[at]), y = this.down(arrows[at + 1]), tipX = x + ux * length, tipY = y + uy * length;
        const head = Math.min(5.5, 0.45 * length);
        shafts.moveTo(x, y);
        shafts.lineTo(tipX - 0.6 * ux * head, tipY - 0.6 * uy * head);
        heads.moveTo(tipX, tipY);
        heads.lineTo(tipX - head * (ux + 0.5 * uy), tipY - head * (uy - 0.5 * ux));
        heads.lineTo(tipX - head * (ux - 0.5 * uy), tipY - head * (uy + 0.5 * ux));
        heads.closePath();
      }
      context.stroke(shafts);
      context.fill(heads);
      context.globalAlpha = 1;
    }

    paintProbe(context, colours) {
      const x = this.across(this.probe[0]), y = this.down(this.probe[1]);
      context.strokeStyle = colours.ink;
      context.lineWidth = 1;
      context.globalAlpha = 0.55;
      context.beginPath();
      context.arc(x, y, 6, 0, 7);
      context.moveTo(x - 11, y);
      context.lineTo(x - 6, y);
      context.moveTo(x + 6, y);
      context.lineTo(x + 11, y);
      context.moveTo(x, y - 11);
      context.lineTo(x, y - 6);
      context.moveTo(x, y + 6);
      context.lineTo(x, y + 11);
      context.stroke();
      context.globalAlpha = 1;
    }

    // What D says at the probe, read between the values of the surface; null where that is not known.
    valueAt([x, y]) {
      const { frame } = this;
      if (!frame?.surface) return null;
      const side = frame.surface_size, [x0, x1, y0, y1] = this.bounds;
      if (!(x >= x0 && x <= x1 && y >= y0 && y <= y1)) return null;
      const within = (place) => Math.max(0, Math.min(side - 1, place * side - 0.5)); // each value stands in the middle of its cell
      const column = within((x - x0) / (x1 - x0)), row = within((y - y0) / (y1 - y0));
      const left = Math.min(side - 2, Math.floor(column)), low = Math.min(side - 2, Math.floor(row)), a = column - left, b = row - low;
      const at = (r, c) => frame.surface[r * side + c];
      const mixed = (1 - b) * ((1 - a) * at(low, left) + a * at(low, left + 1)) + b * ((1 - a) * at(low + 1, left) + a * at(low + 1, left + 1));
      return frame.surface_low + (mixed / 255) * (frame.surface_high - frame.surface_low);
    }

    countOutside(points) {
      const [x0, x1, y0, y1] = this.bounds;
      let count = 0;
      for (let at = 0; at < points.length; at += 2) if (!(points[at] >= x0 && points[at] <= x1 && points[at + 1] >= y0 && points[at + 1] <= y1)) count += 1;
      return count;
    }

    toPlane(event) {
      const [x0, x1, y0, y1] = this.bounds;
      return [x0 + (event.offsetX / this.plane.width) * (x1 - x0), y1 - (event.offsetY / this.plane.height) * (y1 - y0)];
    }
  }

  labs.Scene = Scene;

  // --- thumbnails of the data sets, drawn alike each time

  const random = (seed) => () => { // mulberry32
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  const around = (draw, centres, sigma, each) => centres.flatMap(([x, y]) => Array.from({ length: each }, () => {
    const radius = sigma * Math.sqrt(-2 * Math.log(1 - draw())), angle = 2 * Math.PI * draw();
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  }));
  const along = (place, count) => Array.from({ length: count }, (_, at) => place((at + 0.5) / count));
  const turn = (angle, radius) => [radius * Math.cos(angle), radius * Math.sin(angle)];
  const PICTURES = {
    ring: (draw) => around(draw, along((t) => turn(2 * Math.PI * t, 0.82), 8), 0.035, 9),
    grid: (draw) => around(draw, [-0.8, -0.4, 0, 0.4, 0.8].flatMap((x) => [-0.8, -0.4, 0, 0.4, 0.8].map((y) => [x, y])), 0.025, 5),
    line: (draw) => around(draw, along((t) => [2 * t - 1, 0.6 * (2 * t - 1)].map((one) => 0.88 * one), 60), 0.015, 1),
    gaussians: (draw) => around(draw, [[-0.5, -0.42], [0.58, -0.25], [0, 0.6]], 0.13, 36),
    spiral: () => [0, Math.PI].flatMap((arm) => along((t) => turn(3 * Math.PI * Math.sqrt(t) + arm, 0.9 * Math.sqrt(t)), 55)),
    "swiss-roll": () => along((t) => turn(1.5 * Math.PI * (1 + 2 * Math.sqrt(t)), 0.3 * (1 + 2 * Math.sqrt(t))), 110),
    blobs: (draw) => around(draw, [[-0.6, 0], [0.6, 0]], 0.14, 45),
  };

  // Draws the picture of a data set, or points of the plane, into a canvas of 44 × 44 CSS pixels.
  labs.paintThumbnail = (canvas, name, points = null) => {
    const side = 88, context = canvas.getContext("2d"), picture = points ? points.map(([x, y]) => [x / 1.4, y / 1.4]) : PICTURES[name]?.(random(7)) || [];
    Object.assign(canvas, { width: side, height: side });
    context.fillStyle = labs.colours().d;
    const radius = points ? 1.6 : 2.3;
    for (const [x, y] of picture) {
      context.beginPath();
      context.arc(side / 2 + x * side * 0.46, side / 2 - y * side * 0.46, radius, 0, 7);
      context.fill();
    }
  };

  // The scale of the surface as a strip, for a legend.
  labs.paintScale = (canvas, kind, low, high) => {
    Object.assign(canvas, { width: 64, height: 1 });
    const context = canvas.getContext("2d"), image = context.createImageData(64, 1), scale = surfaceScale();
    for (let at = 0; at < 64; at++) {
      const value = kind === "probability" ? at / 63 : low + (at / 63) * (high - low);
      const place = high > low || kind === "probability" ? placeOf(value, kind, low, high) : 0;
      const from = 4 * Math.max(0, Math.min(255, Math.round(127.5 + 127.5 * place)));
      image.data.set(scale.subarray(from, from + 4), 4 * at);
    }
    context.putImageData(image, 0, 0);
  };
})();
