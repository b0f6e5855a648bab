// What the labs that train on the server share: the link to such a lab, and the keys, the run button and the settings.
"use strict";

(() => {
  const pg = window.playground;
  const { el, labs } = pg;
  const wait = (time) => new Promise((resolve) => { setTimeout(resolve, time); });
  const GAP = 25; // ms between two requests for a frame, at least
  const LATENTS = [1, 2, 3, 4, 8, 16, 32];
  const FIRST = ["layers", "width", "latent_dim", "latent", "optimiser", "learning_rate_g", "learning_rate_d", "critic_steps", "generator_steps", "batch_size"];

  // A lab on the server: opened when first seen, asked for frames only while it is. `view` has options() for opening,
  // wanted() (the layers of a frame), useFacts(facts), take(frame), and where to say what is wrong: `loading` until it
  // has its first `facts`, then `lost`. It may have opened(), which sends what a new lab has to know before its first
  // frame, and startOver(), for options that were kept and are no longer possible.
  labs.Link = class {
    constructor(view) {
      this.view = view;
      this.lab = null;
      this.seen = 0; // the tick of the newest frame
      this.turn = 0; // of the loop that asks for frames: an old one ends
      this.waiting = new Map(); // newest commands of sliders
      window.addEventListener("pagehide", () => this.leave());
    }

    show() { this.awake = true; this.loop(++this.turn); }

    hide() { this.awake = false; this.turn += 1; }

    leave() {
      if (!this.lab) return;
      fetch("labs/close", { method: "POST", keepalive: true, credentials: "same-origin", headers: { "X-Playground": "1", "Content-Type": "application/json" }, body: JSON.stringify({ lab: this.lab }) }).catch(() => {});
      this.lab = null; // a page that comes back from the browser's cache opens another
    }

    async open() {
      const answer = await pg.api("labs/open", { ...this.view.options(), ...(this.lab ? { lab: this.lab } : {}) });
      this.lab = answer.lab;
      this.seen = 0;
      this.view.useFacts(answer.facts);
      await this.view.opened?.();
    }

    // What was kept may no longer be possible (a preset of another version): then the lab opens as it does first.
    async openAnyhow() {
      try {
        await this.open();
      } catch (error) {
        if (!this.view.startOver || error.offline || error.status >= 500 || error.status === 429) throw error;
        this.view.startOver();
        await this.open();
      }
    }

    async loop(turn) {
      while (this.awake && turn === this.turn) {
        try {
          if (!this.lab) await this.openAnyhow();
          if (turn !== this.turn) return;
          const { lab } = this, begun = performance.now();
          const frame = await this.ask(this.seen);
          if (turn !== this.turn || lab !== this.lab) continue;
          this.say(null);
          this.take(frame);
          await wait(Math.max(0, GAP - (performance.now() - begun)));
        } catch (error) {
          if (turn !== this.turn) return;
          if (error.status === 404) this.lab = null; // closed meanwhile: another one is opened
          this.say(error.message);
          await wait(error.status === 404 ? 200 : 2000);
        }
      }
    }

    ask(seen) { return pg.api(`labs/frame?${new URLSearchParams({ lab: this.lab, seen, layers: this.view.wanted().join() })}`); }

    // A frame that did not come by itself: while nothing runs, layers are switched on with it.
    async refresh() {
      const { lab } = this, frame = lab && (await this.ask(0).catch(() => null));
      if (frame && lab === this.lab && frame.tick >= this.seen) this.take(frame);
    }

    take(frame) {
      if (!("version" in frame)) return; // nothing new: it only tells its tick
      this.seen = frame.tick;
      if (frame.version !== this.view.facts.version && !this.looking) {
        this.looking = true;
        this.send({ do: "look" }).catch(() => {}).finally(() => { this.looking = false; });
      }
      this.view.take(frame);
    }

    say(sentence) {
      const place = this.view.facts ? this.view.lost : this.view.loading;
      place.hidden = !sentence;
      place.textContent = sentence || "";
    }

    async send(body) {
      const answer = await pg.api("labs/do", { lab: this.lab, ...body });
      if (answer.facts) this.view.useFacts(answer.facts);
      return answer;
    }

    act(body) { return this.lab ? pg.act(() => this.send(body)) : null; }

    // A command of a slider: only the newest value of each counts.
    async later(key, body) {
      this.waiting.set(key, body);
      if (this.sending) return;
      this.sending = true;
      while (this.waiting.size) {
        const [first, command] = this.waiting.entries().next().value;
        this.waiting.delete(first);
        await this.act(command);
      }
      this.sending = false;
    }
  };

  // Keys of a view that is seen: {" ": action, d: action, …}; not while something is typed.
  labs.keys = (seen, actions) => document.addEventListener("keydown", (event) => {
    if (!seen() || event.altKey || event.ctrlKey || event.metaKey || event.isComposing || event.repeat || document.querySelector("dialog[open]")) return;
    const at = event.target.closest?.("input, textarea, select, button, summary, a, [contenteditable]");
    if (at && (event.key === " " || !at.matches("button, summary, a, input[type=range], input[type=checkbox]"))) return;
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // The button that runs and pauses: {node, set(running)}.
  labs.runner = (toggle, text = "Run") => {
    const node = el("button.pg-lab-run", { type: "button", onclick: toggle });
    const set = (running) => {
      const now = String(Boolean(running));
      if (node.dataset.running === now) return;
      node.dataset.running = now;
      node.replaceChildren(pg.icon(running ? "pause" : "play"), el("span", {}, running ? "Pause" : text));
    };
    set(false);
    return { node, set };
  };

  // The settings of a lab, below a choice of what they belong to: {node, fill(knobs), show(contestants)}. `change(name,
  // value)` follows what is moved; its command waits in `link` under a key that is the name, or begins with it.
  labs.settings = (link, choice, change) => {
    const first = el("div.pg-lab-fields"), others = el("div.pg-lab-fields");
    const more = el("details.pg-lab-more", {}, el("summary", {}, "Penalties and stabilisers"), others);
    const node = el("section.pg-lab-card.pg-lab-knobs", { "aria-label": "Settings" }, el("h3", {}, "Settings"), el("p.pg-fine", {}, "All of them can be changed while it runs."), choice, first, more);
    const fields = new Map(), touched = new Map(); // by the name of a knob: its field, and when that was last moved
    const rank = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    const moves = (name) => performance.now() - (touched.get(name) ?? -1e9) < 700 || [...link.waiting.keys()].some((key) => key.split(" ")[0] === name);
    let filled = "";
    return {
      node,

      fill(knobs) {
        const names = knobs.map(({ name }) => name).join();
        if (names === filled) return;
        filled = names;
        fields.clear();
        first.replaceChildren();
        others.replaceChildren();
        for (const knob of [...knobs].sort((a, b) => rank(a.name) - rank(b.name))) {
          const { name } = knob, field = knobField(knob, (value) => { touched.set(name, performance.now()); change(name, value); });
          fields.set(name, field);
          (FIRST.includes(name) ? first : others).append(field.node);
        }
        more.hidden = !others.children.length;
      },

      // What the server says, but under the finger that still moves a slider nothing jumps.
      show(contestants) {
        for (const [name, field] of fields) {
          if (moves(name)) continue;
          const [value, ...rest] = contestants.map((one) => one.knobs[name]);
          if (value === undefined) continue;
          const mixed = rest.some((one) => one !== value);
          field.node.classList.toggle("mixed", mixed);
          field.node.title = mixed ? `Differs: ${contestants.map((one) => `${one.title} ${pg.value(one.knobs[name])}`).join(", ")}` : "";
          if (value === field.value) continue;
          if (name === "latent_dim" && !LATENTS.includes(value)) field.fill(sizes([...LATENTS, value].sort((a, b) => a - b)));
          field.set(value);
        }
      },
    };
  };

  const sizes = (values) => values.map((value) => [value, `${value}-D`]);

  // The field of a knob; what it begins with is replaced as soon as there are facts.
  const knobField = ({ name, label, help, kind, low, high, log, choices }, set) => {
    if (name === "latent_dim") return labs.choice({ label, help, options: sizes(LATENTS), value: LATENTS[0], onchange: set });
    if (kind === "bool") return labs.toggle({ label, help, onchange: set });
    if (kind === "choice") return labs.choice({ label, help, options: choices.map((value) => [value, String(value)]), onchange: set });
    const whole = kind === "int", format = (value) => (value === 0 && low === 0 ? "off" : pg.value(+value.toPrecision(3)));
    if (name.startsWith("learning_rate")) return labs.slider({ label, help, min: 1e-5, max: high, log: true, value: 1e-3, format, oninput: set });
    if (low === 0 && high >= 10 && !whole) return labs.slider({ label, help, min: 0.01, max: Math.min(high, 100), log: true, zero: true, value: 0, format, oninput: set });
    return labs.slider({ label, help, min: low, max: high, step: whole ? 1 : log ? undefined : (high - low) / 100, log, value: low, format, oninput: set });
  };
})();
