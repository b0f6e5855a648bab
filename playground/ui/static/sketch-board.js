// The canvas of the Sketch tab: pen, eraser and fill, with mouse, pen and touch; undo and redo; a picture to trace below.
//
// The model sees a canvas of its own size. Lines and colours are drawn a second time on a larger one, which is shown, so
// that they look crisp; a label map is shown as it is, since each pixel holds the number of a label.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const DEEP = 30; // steps back
  const SHOWN = 512; // least side of the canvas that is shown
  const ALIKE = 48; // sum of differences up to which a fill takes a colour for the same

  const canvasOf = (side) => Object.assign(document.createElement("canvas"), { width: side, height: side });
  const contextOf = (canvas) => canvas.getContext("2d", { willReadFrequently: true });
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  // Calls `paint(index)` for each pixel that hangs together with (x, y) and for which `same(index)` holds; `paint` must
  // make it no longer hold.
  const flood = (side, x, y, same, paint) => {
    const stack = [y * side + x];
    while (stack.length) {
      const at = stack.pop();
      if (!same(at)) continue;
      const row = at - (at % side);
      let first = at, last = at;
      while (first > row && same(first - 1)) first--;
      while (last < row + side - 1 && same(last + 1)) last++;
      for (let one = first; one <= last; one++) paint(one);
      for (const other of [-side, side]) {
        if (first + other < 0 || first + other >= side * side) continue;
        for (let one = first + other; one <= last + other; one++) if (same(one)) stack.push(one);
      }
    }
  };

  // `changed(event)` is called whenever the drawing has changed, `settled()` at the end of each stroke.
  pg.SketchBoard = class {
    constructor({ changed, settled }) {
      Object.assign(this, { changed, settled, tool: "pen", sizes: { pen: 2, eraser: 10 }, label: 1, colour: "#20242c", past: [], future: [], pointer: null });
      this.shown = el("canvas.pg-sk-canvas", { tabindex: 0, role: "img", "aria-label": "Your drawing" });
      this.under = el("img.pg-sk-under", { alt: "", hidden: true });
      this.ring = el("i.pg-sk-ring", { "aria-hidden": "true", hidden: true });
      this.node = el("div.pg-sk-board", {}, this.under, this.shown, this.ring);
      const on = (name, handler) => this.shown.addEventListener(name, handler);
      on("pointerdown", (event) => this.down(event));
      on("pointermove", (event) => this.move(event));
      on("pointerup", (event) => this.up(event));
      on("pointercancel", (event) => this.up(event));
      on("pointerleave", () => { this.ring.hidden = true; });
      on("contextmenu", (event) => { if (event.pointerType !== "mouse") event.preventDefault(); }); // a long touch
    }

    // Makes the canvas fit a way of a model: {kind, size, source}.
    lay({ kind, size, source }) {
      Object.assign(this, { kind, size, past: [], future: [], pointer: null });
      this.labelled = kind === "labels";
      this.palette = source.palette || [];
      this.channels = source.channels;
      this.factor = this.labelled ? 1 : Math.max(1, Math.round(SHOWN / size));
      const side = size * this.factor;
      Object.assign(this.shown, { width: side, height: side });
      this.node.dataset.kind = kind;
      this.big = contextOf(this.shown);
      this.small = contextOf(canvasOf(size));
      this.labels = new Uint8Array(this.labelled ? size * size : 0);
      this.label = Math.min(1, this.palette.length - 1);
      this.sizes = { pen: Math.max(1, (size * { drawing: 1.5, labels: 8, picture: 4 }[kind]) / 128), eraser: Math.max(2, (size * 12) / 128) };
      if (this.tool === "fill" && kind === "drawing") this.tool = "pen";
      this.blank();
    }

    blank() {
      if (this.labelled) {
        this.labels.fill(0);
        this.repaint(0, 0, this.size, this.size);
        return;
      }
      for (const context of [this.small, this.big]) {
        context.fillStyle = "#fff";
        context.fillRect(0, 0, context.canvas.width, context.canvas.height);
      }
    }

    // --- what is sent and kept: bytes, row by row

    raw() {
      if (this.labelled) return this.labels.slice();
      const { data } = this.small.getImageData(0, 0, this.size, this.size);
      const bytes = new Uint8Array(this.size * this.size * this.channels);
      for (let at = 0, to = 0; at < data.length; at += 4) for (let channel = 0; channel < this.channels; channel++) bytes[to++] = data[at + channel];
      return bytes;
    }

    isBlank(raw) {
      const nothing = this.labelled ? 0 : 255;
      return raw.every((value) => value === nothing);
    }

    load(raw) {
      if (this.labelled) {
        this.labels.set(raw);
        this.repaint(0, 0, this.size, this.size);
        return;
      }
      const image = this.small.createImageData(this.size, this.size);
      for (let at = 0; at < this.size * this.size; at++) {
        for (let channel = 0; channel < 3; channel++) image.data[4 * at + channel] = raw[at * this.channels + Math.min(channel, this.channels - 1)];
        image.data[4 * at + 3] = 255;
      }
      this.small.putImageData(image, 0, 0);
      this.big.imageSmoothingQuality = "high";
      this.big.drawImage(this.small.canvas, 0, 0, this.shown.width, this.shown.height);
    }

    // Puts another drawing in the place of this one; it can be taken back.
    replace(raw) {
      this.remember();
      this.load(raw);
    }

    // The drawing as the model sees it, in colours, as a canvas.
    picture() {
      const made = canvasOf(this.size);
      made.getContext("2d").drawImage(this.labelled ? this.shown : this.small.canvas, 0, 0);
      return made;
    }

    // --- undo and redo

    get state() {
      if (this.labelled) return { labels: this.labels.slice() };
      const side = this.shown.width;
      return { small: this.small.getImageData(0, 0, this.size, this.size), big: this.big.getImageData(0, 0, side, side) };
    }

    remember() {
      this.past.push(this.state);
      if (this.past.length > DEEP) this.past.shift();
      this.future = [];
    }

    undo() { this.step(this.past, this.future); }
    redo() { this.step(this.future, this.past); }

    step(from, to) {
      if (!from.length || this.pointer !== null) return;
      to.push(this.state);
      const state = from.pop();
      if (this.labelled) {
        this.load(state.labels);
      } else {
        this.small.putImageData(state.small, 0, 0);
        this.big.putImageData(state.big, 0, 0);
      }
      this.changed();
      this.settled();
    }

    clear() {
      if (this.pointer !== null || this.isBlank(this.raw())) return;
      this.remember();
      this.blank();
      this.changed();
      this.settled();
    }

    // --- pointers: one draws at a time

    place(event) {
      const box = this.shown.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * this.size, ((event.clientY - box.top) / box.height) * this.size];
    }

    get width() { return this.sizes[this.tool === "eraser" ? "eraser" : "pen"]; }

    down(event) {
      const eraser = (event.buttons & 32) !== 0; // the other end of a pen
      if (this.pointer !== null || (event.button !== 0 && !eraser)) return;
      event.preventDefault();
      this.shown.focus({ preventScroll: true });
      this.remember();
      const [x, y] = this.place(event);
      if (this.tool === "fill" && !eraser) {
        this.fill(Math.floor(x), Math.floor(y));
        this.changed(event);
        this.settled();
        return;
      }
      this.pointer = event.pointerId;
      try {
        this.shown.setPointerCapture(event.pointerId);
      } catch { /* it has left already */ }
      this.erasing = eraser || this.tool === "eraser";
      this.last = [x, y];
      this.stroke(event, [x, y]);
      this.changed(event);
    }

    move(event) {
      this.follow(event);
      if (event.pointerId !== this.pointer) return;
      const all = event.getCoalescedEvents?.() || [];
      for (const one of all.length ? all : [event]) this.stroke(event, this.place(one), one.pressure);
      this.changed(event);
    }

    up(event) {
      if (event.pointerId !== this.pointer) return;
      this.pointer = null;
      this.changed(event);
      this.settled();
    }

    // The ring shows how wide the next stroke is.
    follow(event) {
      this.ring.hidden = event.pointerType === "touch" || this.tool === "fill";
      if (this.ring.hidden) return;
      const box = this.shown.getBoundingClientRect();
      const side = Math.max(4, (this.width / this.size) * box.width);
      Object.assign(this.ring.style, { width: `${side}px`, height: `${side}px`, transform: `translate(${event.clientX - box.left - side / 2}px, ${event.clientY - box.top - side / 2}px)` });
    }

    stroke(event, to, pressure = event.pressure) {
      const sensitive = event.pointerType === "pen" && pressure > 0;
      const width = this.sizes[this.erasing ? "eraser" : "pen"] * (sensitive ? 0.4 + 1.2 * pressure : 1);
      const from = this.last;
      this.last = to;
      if (this.labelled) this.stamp(from, to, width, this.erasing ? 0 : this.label);
      else this.line(from, to, width, this.erasing ? "#ffffff" : this.kind === "drawing" ? "#000000" : this.colour);
    }

    line([x0, y0], [x1, y1], width, colour) {
      for (const [context, factor] of [[this.small, 1], [this.big, this.factor]]) {
        Object.assign(context, { strokeStyle: colour, lineWidth: width * factor, lineCap: "round", lineJoin: "round" });
        context.beginPath();
        context.moveTo(x0 * factor, y0 * factor);
        context.lineTo(x1 * factor + 0.01, y1 * factor);
        context.stroke();
      }
    }

    // Every pixel whose middle is nearer than half the width to the way from one place to the next.
    stamp([x0, y0], [x1, y1], width, label) {
      const radius = Math.max(0.71, width / 2), { size, labels } = this;
      const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius)), right = Math.min(size - 1, Math.ceil(Math.max(x0, x1) + radius));
      const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius)), bottom = Math.min(size - 1, Math.ceil(Math.max(y0, y1) + radius));
      if (right < left || bottom < top) return;
      const [dx, dy] = [x1 - x0, y1 - y0], length = dx * dx + dy * dy || 1;
      for (let y = top; y <= bottom; y++) {
        for (let x = left; x <= right; x++) {
          const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
          const share = Math.max(0, Math.min(1, (px * dx + py * dy) / length));
          if ((px - share * dx) ** 2 + (py - share * dy) ** 2 <= radius * radius) labels[y * size + x] = label;
        }
      }
      this.repaint(left, top, right - left + 1, bottom - top + 1);
    }

    // Puts the colours of labels on the canvas.
    repaint(left, top, width, height) {
      const image = this.big.createImageData(width, height);
      for (let y = 0, to = 0; y < height; y++) {
        for (let x = 0; x < width; x++, to += 4) {
          image.data.set(this.palette[this.labels[(top + y) * this.size + left + x]], to);
          image.data[to + 3] = 255;
        }
      }
      this.big.putImageData(image, left, top);
    }

    fill(x, y) {
      if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
      if (this.labelled) {
        const { labels, label, size } = this, old = labels[y * size + x];
        if (old !== label) flood(size, x, y, (at) => labels[at] === old, (at) => { labels[at] = label; });
        this.repaint(0, 0, size, size);
        return;
      }
      // On the large canvas; what has changed is then averaged into the small one.
      const { factor, size } = this, side = size * factor;
      const image = this.big.getImageData(0, 0, side, side), { data } = image;
      const [cx, cy] = [x, y].map((one) => Math.floor((one + 0.5) * factor));
      const old = data.slice(4 * (cy * side + cx), 4 * (cy * side + cx) + 3), colour = rgb(this.colour);
      const filled = new Uint8Array(side * side);
      const same = (at) => !filled[at] && Math.abs(data[4 * at] - old[0]) + Math.abs(data[4 * at + 1] - old[1]) + Math.abs(data[4 * at + 2] - old[2]) <= ALIKE;
      flood(side, cx, cy, same, (at) => { filled[at] = 1; data.set(colour, 4 * at); });
      this.big.putImageData(image, 0, 0);
      const small = this.small.getImageData(0, 0, size, size);
      for (let row = 0; row < size; row++) {
        for (let column = 0; column < size; column++) {
          const sum = [0, 0, 0];
          let touched = false;
          for (let inner = 0; inner < factor * factor; inner++) {
            const at = (row * factor + Math.floor(inner / factor)) * side + column * factor + (inner % factor);
            touched ||= filled[at] === 1;
            for (let channel = 0; channel < 3; channel++) sum[channel] += data[4 * at + channel];
          }
          if (touched) for (let channel = 0; channel < 3; channel++) small.data[4 * (row * size + column) + channel] = sum[channel] / (factor * factor);
        }
      }
      this.small.putImageData(small, 0, 0);
    }

    // --- a picture to trace: it lies below and is never sent

    trace(address) {
      this.under.hidden = !address;
      this.node.classList.toggle("tracing", Boolean(address));
      if (address) this.under.src = address;
      else this.under.removeAttribute("src");
    }
  };
})();
