// "Draw your own": a sheet on which a brush sprays points; what is drawn becomes the data of a lab.
"use strict";

(() => {
  const pg = window.playground;
  const { el, labs } = pg;
  const MOST = 3000; // points
  const BOUNDS = [-1.4, 1.4, -1.4, 1.4];
  const EVERY = 24; // ms between two puffs of the brush

  const spread = () => { // a normal number
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random())), angle = 2 * Math.PI * Math.random();
    return radius * Math.cos(angle);
  };
  const rounded = (value) => Math.round(value * 1000) / 1000;

  class Sheet {
    constructor() {
      Object.assign(this, { points: [], past: [], tool: "spray", size: 0.08, held: null, cursor: null });
      const tool = (name, text, help) => el("button", { type: "button", "data-tool": name, title: help, onclick: () => this.choose(name) }, text);
      this.tools = el("div.pg-segment", { role: "group", "aria-label": "Tool" }, tool("spray", "Spray", "Add points"), tool("erase", "Erase", "Take points away"));
      this.brush = labs.slider({ label: "Brush", min: 0.01, max: 0.4, log: true, value: this.size, format: (value) => value.toFixed(2), oninput: (value) => { this.size = value; this.draw(); }, help: "How wide the brush sprays, in the units of the plane." });
      this.undoing = el("button.pg-link-button", { type: "button", onclick: () => this.undo() }, "Undo");
      this.clearing = el("button.pg-link-button", { type: "button", onclick: () => this.clear() }, "Clear");
      this.count = el("output.pg-lab-count");
      this.problem = el("p.pg-lab-problem", { role: "alert", hidden: true });
      this.invite = el("p.pg-lab-invite", { "aria-hidden": "true" }, "Press and move to spray points");
      const place = el("div.pg-lab-sheet", {}, this.invite);
      this.using = el("button.pg-lab-primary", { type: "button", onclick: () => this.finish() }, "Use this drawing");
      this.node = el("dialog.pg-lab-dialog", { "aria-label": "Draw your own distribution" },
        el("header", {}, el("h3", {}, "Draw your own"), el("button.pg-mini", { type: "button", "aria-label": "Close without using it", onclick: () => this.node.close() }, pg.icon("close"))),
        el("p.pg-fine", {}, "Where you draw more, points will be more likely. With the keyboard: arrows move the brush, the space bar sprays."),
        place,
        el("div.pg-lab-brush", {}, this.tools, this.brush.node, this.undoing, this.clearing),
        this.problem,
        el("footer", {}, this.count, el("button.pg-button", { type: "button", onclick: () => this.node.close() }, "Cancel"), this.using));
      this.sheet = labs.canvas(place, { label: "Your drawing: arrows move the brush, the space bar sprays" });
      const { canvas } = this.sheet;
      canvas.tabIndex = 0;
      this.sheet.onresize = () => this.draw();
      labs.onTheme(() => this.draw());
      canvas.addEventListener("pointerdown", (event) => this.down(event));
      canvas.addEventListener("pointermove", (event) => this.move(event));
      for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
      canvas.addEventListener("pointerleave", () => { if (this.held === null) { this.cursor = null; this.draw(); } });
      canvas.addEventListener("keydown", (event) => this.key(event));
      this.node.addEventListener("close", () => this.stop());
      document.querySelector(".pg-labs").append(this.node);
      this.choose("spray");
    }

    // Opens the sheet with the points of last time; `use(points)` may throw a sentence, which is then shown.
    open(points, use) {
      this.points = points.map((one) => [...one]);
      this.past = [];
      this.use = use;
      this.say(null);
      this.node.showModal();
      this.draw();
    }

    choose(name) {
      this.tool = name;
      for (const one of this.tools.children) one.setAttribute("aria-pressed", String(one.dataset.tool === name));
      this.draw();
    }

    say(sentence) {
      this.problem.hidden = !sentence;
      this.problem.textContent = sentence || "";
    }

    place(event) {
      const { width, height } = this.sheet, [x0, x1, y0, y1] = BOUNDS;
      return [x0 + (event.offsetX / width) * (x1 - x0), y1 - (event.offsetY / height) * (y1 - y0)];
    }

    down(event) {
      if (event.button) return;
      event.preventDefault();
      this.sheet.canvas.focus({ preventScroll: true });
      this.sheet.canvas.setPointerCapture(event.pointerId);
      this.held = event.pointerId;
      this.cursor = this.place(event);
      this.note();
      this.apply();
      this.timer = setInterval(() => this.apply(), EVERY);
    }

    move(event) {
      if (this.held !== null && event.pointerId !== this.held) return;
      const from = this.cursor;
      this.cursor = this.place(event);
      if (this.held !== null && from) { // a fast stroke leaves no gaps
        const length = Math.hypot(this.cursor[0] - from[0], this.cursor[1] - from[1]);
        const puffs = Math.min(40, Math.floor((2 * length) / Math.max(0.02, this.size)));
        for (let at = 1; at <= puffs; at++) this.apply(from.map((one, axis) => one + (at / puffs) * (this.cursor[axis] - one)), 2);
      }
      this.draw();
    }

    up(event) {
      if (event.pointerId !== this.held) return;
      this.stop();
      if (event.pointerType !== "mouse") this.cursor = null;
      this.draw();
    }

    stop() {
      this.held = null;
      clearInterval(this.timer);
    }

    key(event) {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") this.undo();
      else if (steps) this.cursor = (this.cursor || [0, 0]).map((one, axis) => Math.max(-1.4, Math.min(1.4, one + steps[axis] * (event.shiftKey ? 0.2 : 0.05))));
      else if (event.key === " " || event.key === "Enter") {
        this.cursor ||= [0, 0];
        this.note();
        this.apply(this.cursor, 6);
      } else return;
      event.preventDefault();
      this.draw();
    }

    note() {
      this.past.push(this.points.slice());
      if (this.past.length > 40) this.past.shift();
    }

    undo() {
      if (this.past.length) this.points = this.past.pop();
      this.draw();
    }

    clear() {
      if (this.points.length) this.note();
      this.points = [];
      this.say(null);
      this.draw();
    }

    apply(at = this.cursor, puff = 4) {
      if (!at) return;
      const [x0, x1, y0, y1] = BOUNDS;
      if (this.tool === "erase") {
        this.points = this.points.filter(([x, y]) => Math.hypot(x - at[0], y - at[1]) > 1.5 * this.size);
      } else {
        for (let one = 0; one < puff && this.points.length < MOST; one++) {
          const [x, y] = at.map((middle) => rounded(middle + 0.6 * this.size * spread()));
          if (x >= x0 && x <= x1 && y >= y0 && y <= y1) this.points.push([x, y]);
        }
        if (this.points.length >= MOST) this.say(`${pg.number(MOST)} points are the most that fit: rub some out, or use the drawing.`);
      }
      this.draw();
    }

    draw() {
      if (!this.sheet) return;
      this.asked ||= requestAnimationFrame(() => { this.asked = 0; this.paint(); });
    }

    paint() {
      const { context, width, height } = this.sheet;
      if (!width) return;
      const colours = labs.colours(), [x0, x1, y0, y1] = BOUNDS;
      const across = (x) => ((x - x0) / (x1 - x0)) * width, down = (y) => ((y1 - y) / (y1 - y0)) * height;
      context.clearRect(0, 0, width, height);
      context.strokeStyle = colours.line;
      context.lineWidth = 1;
      for (const one of [-1, 0, 1]) {
        context.beginPath();
        context.moveTo(Math.round(across(one)) + 0.5, 0);
        context.lineTo(Math.round(across(one)) + 0.5, height);
        context.moveTo(0, Math.round(down(one)) + 0.5);
        context.lineTo(width, Math.round(down(one)) + 0.5);
        context.stroke();
      }
      context.fillStyle = colours.d;
      context.globalAlpha = 0.75;
      context.beginPath();
      for (const [x, y] of this.points) {
        context.moveTo(across(x) + 2, down(y));
        context.arc(across(x), down(y), 2, 0, 7);
      }
      context.fill();
      context.globalAlpha = 1;
      if (this.cursor) {
        context.strokeStyle = this.tool === "erase" ? colours.bad : colours.accent;
        context.lineWidth = 1.5;
        context.beginPath();
        context.arc(across(this.cursor[0]), down(this.cursor[1]), Math.max(4, (1.5 * this.size * width) / (x1 - x0)), 0, 7);
        context.stroke();
      }
      this.invite.hidden = this.points.length > 0 || this.cursor !== null;
      this.count.textContent = this.points.length === 1 ? "1 point" : `${pg.number(this.points.length)} points`;
      this.undoing.disabled = !this.past.length;
      this.clearing.disabled = !this.points.length;
    }

    async finish() {
      this.using.disabled = true;
      try {
        await this.use(this.points);
        this.node.close();
      } catch (error) {
        this.say(error.message);
      } finally {
        this.using.disabled = false;
      }
    }
  }

  let sheet = null;
  labs.drawing = (points, use) => { (sheet ||= new Sheet()).open(points, use); };
})();
