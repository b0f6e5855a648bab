// The live view of a training: one poller for the page, the panel of the Train tab, and the pill in the header.
"use strict";

(() => {
  const pg = window.playground;
  const { el, icon } = pg;
  const ACTIVE = ["waiting", "starting", "running", "paused"];
  const ENDED = ["finished", "stopped", "failed"];
  const BADGES = { waiting: "Waiting", starting: "Starting", running: "Running", paused: "Paused", finished: "Finished", stopped: "Stopped", failed: "Failed" };

  // ------------------------------------------------------------------------------------------------------------------
  // The run that this browser watches

  const run = (pg.run = { key: null, wire: null, history: { columns: {}, count: 0 }, histogram: null, sigma: null, critic: false });
  const watchers = [];
  pg.watchRun = (watcher) => watchers.push(watcher);
  const publish = (restarted) => { for (const watcher of watchers) watcher(run, restarted); };

  let timer = null, inFlight = false, failures = 0, again = false;
  let hurryUntil = 0; // after a command the answer is looked for more often
  run.offline = false;

  const follow = (key) => {
    if (key === run.key) return;
    Object.assign(run, { key, wire: null, history: { columns: {}, count: 0 }, histogram: null, sigma: null, critic: false });
    publish(true);
  };

  // Adds the rows that came. `rows.end` is the server's count of all rows ever, and the next poll's `after`.
  const absorb = (wire) => {
    const { rows } = wire;
    const { columns } = run.history;
    const known = columns.step?.length ?? 0;
    const added = rows.columns.step?.length ?? 0;
    for (const name of new Set([...Object.keys(columns), ...Object.keys(rows.columns)])) {
      columns[name] ||= new Array(known).fill(null); // a column that begins late
      columns[name].push(...(rows.columns[name] ?? new Array(added).fill(null)));
    }
    run.history.count = rows.end;
    Object.assign(run, { wire, histogram: wire.histogram, sigma: wire.sigma, critic: wire.critic });
  };

  // A run that was resumed has begun a new count; one that was left alone for long is fetched anew, thinned by the server.
  const stale = (wire) => wire.version < (run.wire?.version ?? 0) || wire.rows.end < run.history.count || (run.history.columns.step?.length ?? 0) > 15000;

  const pause = () => {
    if (run.offline) return Math.min(10000, 500 * 2 ** failures);
    if (!run.key) return null; // nothing to watch: an action, a message from another tab or the window's focus wakes us
    const state = run.wire?.state;
    if (performance.now() < hurryUntil) return 120;
    if (state && !ACTIVE.includes(state)) return null;
    if (document.hidden || !pg.shown(panelNode)) return 1000;
    return state === "paused" ? 700 : 250;
  };

  const poll = async () => {
    clearTimeout(timer);
    timer = null;
    if (inFlight) { again = true; return; }
    inFlight = true;
    try {
      if (!run.key) follow((await pg.api("live/current")).key);
      if (run.key) {
        const key = run.key;
        let wire = await pg.api(`live/${encodeURIComponent(key)}?after=${run.history.count}`);
        let fresh = false;
        if (key === run.key && stale(wire)) {
          wire = await pg.api(`live/${encodeURIComponent(key)}?after=0`);
          run.history = { columns: {}, count: 0 };
          fresh = true;
        }
        if (key === run.key) {
          const back = run.offline;
          run.offline = false;
          failures = 0;
          absorb(wire);
          publish(fresh || back);
        }
      } else if (run.offline) {
        run.offline = false;
        failures = 0;
        publish(true);
      }
    } catch (error) {
      if (error.status === 404) {
        follow(null);
      } else if (error.status === 401) {
        if (run.key) location.reload(); // signed out elsewhere; the sign-in page itself has no run and stays
        return;
      } else {
        run.offline = true;
        failures += 1;
        publish(false);
      }
    } finally {
      inFlight = false;
      const wait = again ? 0 : pause();
      again = false;
      if (wait !== null) timer = setTimeout(poll, wait);
    }
  };
  pg.poll = poll;

  // Looks again which run is the newest: after Start, after a word from another tab, when the window comes back.
  pg.attach = async (key) => {
    try {
      key ||= (await pg.api("live/current")).key;
    } catch {
      key = run.key;
    }
    follow(key);
    hurryUntil = performance.now() + 1500;
    await poll();
    pg.tell("look");
  };
  pg.listen(async () => {
    try { follow((await pg.api("live/current")).key); } catch { /* the poller says when the server is away */ }
    poll();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
  window.addEventListener("focus", () => poll());

  const command = (name, body = {}) => pg.act(async () => {
    const answer = await pg.api(`live/${encodeURIComponent(run.key)}/${name}`, body);
    hurryUntil = performance.now() + 1500;
    if (answer.message) pg.toast(answer.message);
    await poll();
    pg.tell("look");
    return answer;
  });

  // Whether what a preset trains makes pictures, which the Explore tab can then open: classifiers read them.
  pg.draws = (preset) => !/classifier$/.test(preset || "");

  // Goes on with an ended run; one that reached its last step gets as many steps again (Steps can be changed while it runs).
  pg.reopen = (key, { step, steps }) => pg.act(async () => {
    const answer = await pg.api(`runs/${encodeURIComponent(key)}/reopen`, step >= steps && steps > 0 ? { steps: steps * 2 } : {});
    pg.toast(step >= steps && steps > 0 ? `Training on to step ${pg.number(steps * 2)}.` : `Going on from step ${pg.number(step)}.`);
    pg.openTab("train");
    await pg.attach(answer.key);
  });

  // Live knobs: a value that the form commits goes to the running training at once.
  const notes = new Map();
  const note = (name, text, kind) => {
    const holder = document.getElementById(`knob-${name}`);
    if (!holder) return;
    notes.get(name)?.remove();
    const mark = el(`span.pg-knob-note.${kind}`, { role: "status" }, text);
    notes.set(name, mark);
    holder.append(mark);
    if (kind !== "error") setTimeout(() => mark.classList.add("fading"), 3500);
  };
  const later = new Map();
  pg.commitKnob = (name, value, live, wait = 0) => {
    clearTimeout(later.get(name));
    later.set(name, setTimeout(async () => {
      const state = run.wire?.state;
      if (!["running", "paused"].includes(state) || value === null || value === undefined) return;
      if (!live) { note(name, "for the next run", "next"); return; }
      const current = run.wire.live_knobs?.[name];
      if (current === undefined || current === value) return;
      try {
        const answer = await pg.api(`live/${encodeURIComponent(run.key)}/knob`, { name, value });
        note(name, `now ${pg.value(answer.value)}`, "done");
        poll();
      } catch (error) {
        note(name, error.message, "error");
      }
    }, wait));
  };

  // Which knobs differ from their defaults (a dot), and which from the chosen preset (a ring).
  pg.markKnob = (name, value) => setTimeout(() => mark(name, value), 60); // when the preset's description has arrived too
  const mark = (name, value) => {
    const holder = document.getElementById(`knob-${name}`);
    const facts = window.playgroundKnobs;
    if (!holder || !facts) return;
    const preset = facts.presets[document.querySelector("[data-pg-preset]")?.dataset.pgPreset] || {};
    const wanted = preset[name] ?? facts.defaults[name];
    const same = (a, b) => a === b || (typeof a === "number" && typeof b === "number" && Math.abs(a - b) <= 1e-9 * Math.abs(b)) || String(a) === String(b);
    holder.classList.toggle("pg-edited", value !== null && !same(value, wanted));
    holder.classList.toggle("pg-preset", name in preset && same(value, wanted));
  };

  // ------------------------------------------------------------------------------------------------------------------
  // The pill in the header: a mini status for every tab

  let pill = null;
  pg.mountPill = (element) => {
    pill = element.querySelector(".pg-pill");
    pill.addEventListener("click", () => {
      pg.openTab("train");
      setTimeout(() => document.querySelector(".pg-live")?.scrollIntoView({ behavior: "smooth", block: "start" }), 60);
    });
    drawPill();
  };
  // After Start: on a phone the live view lies below the form.
  pg.showLive = () => {
    if (window.innerWidth <= 900) setTimeout(() => panelNode?.scrollIntoView({ behavior: "smooth", block: "start" }), 300);
  };
  const drawPill = () => {
    if (!pill) return;
    const wire = run.wire;
    pill.hidden = !wire;
    if (!wire) return;
    const state = run.offline ? "offline" : wire.state;
    pill.className = `pg-pill ${state}${pill.classList.contains("in-view") ? " in-view" : ""}`;
    const progress = wire.steps ? Math.min(1, wire.step / wire.steps) : 0;
    pill.style.setProperty("--progress", `${(progress * 100).toFixed(2)}%`);
    const text = run.offline ? "connection lost" : `${BADGES[wire.state] || wire.state} · ${pg.number(wire.step)} / ${pg.number(wire.steps)}`;
    pill.querySelector("span").textContent = text;
    pill.setAttribute("aria-label", `Training: ${text}. Show it.`);
  };
  pg.watchRun(drawPill);

  // ------------------------------------------------------------------------------------------------------------------
  // The panel of the Train tab

  let panelNode = null;

  pg.mountLive = (element, trigger) => {
    const root = element.querySelector(".pg-live");
    panelNode = root;
    const panel = new Panel(root, trigger);
    // On a phone the pill floats over the page: not while the view itself is there.
    new IntersectionObserver((entries) => pill?.classList.toggle("in-view", entries.at(-1).isIntersecting), { threshold: 0.05 }).observe(root);
    pg.watchRun((_, restarted) => panel.draw(restarted));
    panel.draw(true);
    poll();
  };

  class Panel {
    constructor(root, trigger) {
      this.root = root;
      this.trigger = trigger;
      this.empty = el("div.pg-empty", {},
        el("div.pg-empty-art", { "aria-hidden": "true" }, ...Array.from({ length: 25 }, () => el("i"))),
        el("h3", {}, "Nothing is training yet"),
        el("p", {}, el("b", {}, "Try first: "), "press Start training as it stands, and watch two networks learn to draw. Then choose another preset, or pictures of your own. Losses, scores and a grid of samples appear here."));
      this.offline = el("div.pg-offline", { role: "status", hidden: true }, "Connection lost, retrying. A training goes on without this page as long as the server runs.");
      this.body = el("div.pg-body", { hidden: true });
      root.replaceChildren(this.offline, this.empty, this.body);
      this.build();
    }

    build() {
      this.badge = el("span.pg-badge");
      this.title = el("h3.pg-title");
      this.sentence = el("p.pg-sentence", { role: "status", "aria-live": "polite" });
      const button = (name, text, picture, act) => {
        const node = el(`button.pg-button.${name}`, { type: "button", onclick: act, "aria-label": text }, icon(picture), el("span", {}, text));
        return node;
      };
      this.buttons = {
        pause: button("pause", "Pause", "pause", () => command("pause")),
        resume: button("resume", "Resume", "play", () => (run.wire.state === "paused" ? command("resume") : pg.reopen(run.key, run.wire))),
        step: button("step", "Step", "step", () => command("step")),
        stop: button("stop", "Stop", "stop", () => command("stop")),
        save: button("save", "Save", "save", () => command("save")),
      };
      const transport = el("div.pg-transport", { role: "group", "aria-label": "Training controls" }, ...Object.values(this.buttons));
      this.bar = el("div.pg-progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"));
      this.stats = el("dl.pg-stats");
      this.details = el("details.pg-details", { hidden: true }, el("summary", {}, "Details"), el("pre"));
      this.alarms = el("div.pg-alarms", { "aria-live": "polite" });

      this.labels = el("div.pg-row-labels", { "aria-hidden": "true" });
      this.image = el("img.pg-grid-image", { alt: "Samples from fixed noise", decoding: "async" });
      this.frame = el("div.pg-grid-frame", {}, this.labels, this.image);
      this.scrub = el("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "Past sample grids" });
      this.play = el("button.pg-mini", { type: "button", "aria-label": "Play the past sample grids", onclick: () => this.togglePlay() }, icon("play"));
      this.when = el("span.pg-when");
      this.goLive = el("button.pg-mini.text", { type: "button", onclick: () => this.showLive() }, "live");
      const scrubber = el("div.pg-scrubber", {}, this.play, this.scrub, this.when, this.goLive);
      this.scrub.addEventListener("input", () => { this.stopPlay(); this.scrubTo(+this.scrub.value); });
      const link = (name, text, file) => el("a.pg-link-button", { download: file || "", "data-file": name, href: "#" }, text);
      this.exports = el("div.pg-exports", {}, el("span", {}, "Take away"), link("timelapse.gif", "GIF"), link("timelapse.mp4", "MP4"), link("model.zip", "Model"));
      this.explore = el("button.pg-link-button.pg-to-explore", { type: "button", hidden: true, title: "Play with what it has learned so far, while it goes on learning", onclick: () => pg.explore.open({ model: run.key }) }, "Open in Explore");
      this.exports.append(this.explore);
      for (const anchor of this.exports.querySelectorAll("a")) anchor.addEventListener("click", (event) => { event.preventDefault(); this.download(anchor); });
      const pictures = el("figure.pg-pictures", {}, this.frame, scrubber, this.exports);

      const columns = (this.columns = el("div.pg-columns", {}, pictures));
      this.body.replaceChildren(
        el("header.pg-head", {}, el("div.pg-who", {}, el("div.pg-line", {}, this.badge, this.title), this.sentence), transport),
        this.bar, this.stats, this.details, this.alarms, columns);
      this.charts = new pg.Charts(columns);
      this.steps = []; // steps of the saved past grids
      this.past = null; // index of the one shown; null is live
      this.cards = new Map(); // alarm cards by the alarm's name
      this.dismissed = new Set();
      this.playing = null;
    }

    draw(restarted) {
      const wire = run.wire;
      this.offline.hidden = !run.offline;
      this.root.classList.toggle("stale", run.offline);
      this.empty.hidden = Boolean(wire);
      this.body.hidden = !wire;
      if (!wire) { this.key = null; this.stopPlay(); return; }
      if (wire.key !== this.key) {
        this.key = wire.key;
        this.shownGrid = null;
        this.steps = [];
        this.fetchedAt = null;
        this.dismissed = new Set();
        this.cards = new Map();
        this.alarms.replaceChildren();
        this.when.textContent = "";
        this.image.removeAttribute("src");
        this.showLive();
      }
      this.columns.hidden = wire.step === 0 && !wire.grid && wire.state !== "running"; // nothing to show before the first step
      this.drawHead(wire);
      this.explore.hidden = !wire.grid || wire.step === 0 || !pg.draws(wire.preset);
      this.drawAlarms(wire);
      this.drawGrid(wire);
      this.charts.update(run, restarted);
    }

    drawHead(wire) {
      this.badge.className = `pg-badge ${wire.state}`;
      this.badge.textContent = BADGES[wire.state] || wire.state;
      this.title.textContent = wire.name || wire.title;
      this.title.title = [wire.title, wire.data, wire.device].filter(Boolean).join(" · ");
      this.sentence.textContent = sentence(wire);
      const enabled = {
        pause: wire.state === "running",
        resume: wire.state === "paused" || (ENDED.includes(wire.state) && wire.step > 0),
        step: wire.state === "paused",
        stop: ACTIVE.includes(wire.state),
        save: ["running", "paused", "finished", "stopped"].includes(wire.state) && wire.step > 0,
      };
      for (const [name, node] of Object.entries(this.buttons)) node.disabled = !enabled[name];
      this.buttons.pause.hidden = enabled.resume;
      this.buttons.resume.hidden = !enabled.resume;
      const share = wire.steps ? Math.min(1, wire.step / wire.steps) : 0;
      this.bar.firstChild.style.width = `${(share * 100).toFixed(2)}%`;
      this.bar.classList.toggle("busy", wire.state === "starting" || wire.state === "waiting");
      this.bar.setAttribute("aria-valuenow", (share * 100).toFixed(0));
      const running = wire.state === "running";
      const facts = [
        ["Step", `${pg.number(wire.step)} / ${pg.number(wire.steps)}`, "step"],
        ["Steps/s", running ? pg.short(wire.steps_per_second) : "–"],
        ["Images/s", running ? pg.short(wire.images_per_second) : "–"],
        ["Elapsed", pg.duration(wire.seconds)],
        ["Left", running ? pg.duration(wire.time_left) : "–"],
      ];
      if (this.stats.children.length !== facts.length) {
        this.stats.replaceChildren(...facts.map(([name, , id]) => el("div", {}, el("dt", {}, name), el("dd", id ? { "data-stat": id } : {}))));
      }
      facts.forEach(([, value], at) => { this.stats.children[at].lastChild.textContent = value; });
      this.details.hidden = !wire.details;
      this.details.lastChild.textContent = wire.details || "";
    }

    // One card an alarm, kept while the alarm lasts: its numbers change under way, its buttons stay where they are.
    drawAlarms(wire) {
      const alarms = wire.alarms || [];
      const raised = new Set(alarms.map((alarm) => alarm.name));
      for (const name of this.dismissed) if (!raised.has(name)) this.dismissed.delete(name); // it may come back as a new one
      for (const [name, card] of this.cards) {
        if (raised.has(name) && !this.dismissed.has(name)) continue;
        card.node.remove();
        this.cards.delete(name);
      }
      for (const alarm of alarms) {
        if (this.dismissed.has(alarm.name)) continue;
        if (!this.cards.has(alarm.name)) {
          const card = this.alarmCard(alarm);
          this.cards.set(alarm.name, card);
          this.alarms.append(card.node);
        }
        const card = this.cards.get(alarm.name);
        card.step.textContent = `step ${pg.number(alarm.step)}`;
        card.text.textContent = alarm.explanation;
        const labels = alarm.cures.map((cure) => cure.label).join("|");
        if (labels !== card.labels) {
          card.labels = labels;
          const buttons = alarm.cures.map((cure) => el("button.pg-cure", { type: "button", onclick: () => this.cure(cure) }, cure.label));
          const rest = buttons.splice(card.open ? buttons.length : 3);
          const more = el("button.pg-mini.text", { type: "button", onclick: () => { card.open = true; more.replaceWith(...rest); } }, `${rest.length} more`);
          card.cures.replaceChildren(...buttons, ...(rest.length ? [more] : []));
        }
      }
    }

    alarmCard(alarm) {
      const dismiss = () => { this.dismissed.add(alarm.name); this.drawAlarms(run.wire); };
      const step = el("small"), text = el("p"), cures = el("div.pg-cures");
      const close = el("button.pg-mini", { type: "button", "aria-label": `Dismiss: ${alarm.title}`, onclick: dismiss }, icon("close"));
      const node = el("article.pg-alarm", { "data-alarm": alarm.name }, icon("warn"), el("div", {}, el("h4", {}, alarm.title, step), text, cures), close);
      return { node, step, text, cures };
    }

    async cure(cure) {
      if (cure.restart) {
        this.trigger("apply", { changes: cure.changes, key: run.key });
        pg.toast("The form holds the change: press Start to begin a new run with it.");
        document.querySelector("#train-start")?.scrollIntoView({ behavior: "smooth", block: "nearest" });
        return;
      }
      await pg.act(async () => {
        for (const [name, value] of Object.entries(cure.changes)) {
          await pg.api(`live/${encodeURIComponent(run.key)}/knob`, { name, value });
        }
        this.trigger("apply", { changes: cure.changes });
        pg.toast(`${cure.label}: done.`);
        poll();
      });
    }

    // --- the grid and its history

    drawGrid(wire) {
      const { grid } = wire;
      this.frame.classList.toggle("waiting", !grid);
      if (this.fetchedAt !== wire.samples && !this.fetching) this.fetchSteps(wire.samples);
      if (!grid) return;
      this.frame.style.aspectRatio = `${grid.width} / ${grid.height}`;
      const names = grid.names || [];
      const key = names.join("|");
      if (this.labelKey !== key) {
        this.labelKey = key;
        this.labels.replaceChildren(...names.map((name) => el("span", { title: name }, name)));
        this.frame.classList.toggle("labelled", names.length > 0);
        const longest = Math.max(0, ...names.map((name) => name.length));
        this.frame.style.setProperty("--label-width", `${Math.min(90, 16 + longest * 7)}px`);
      }
      if (this.past !== null) return;
      const address = `live/${encodeURIComponent(run.key)}/grid.jpg?revision=${grid.revision}-${grid.step}`;
      if (this.shownGrid !== address) {
        this.shownGrid = address;
        this.image.src = address;
        this.image.alt = `Samples from fixed noise at step ${grid.step}`;
      }
      this.when.textContent = `step ${pg.number(grid.step)}`;
    }

    async fetchSteps(samples) {
      this.fetching = true;
      try {
        const key = run.key;
        const answer = await pg.api(`runs/${encodeURIComponent(key)}/samples`);
        if (key !== run.key) return;
        this.steps = answer.steps;
        this.fetchedAt = samples;
        this.scrub.max = this.steps.length;
        if (this.past === null) this.scrub.value = this.steps.length;
        this.play.disabled = this.scrub.disabled = this.steps.length === 0;
      } catch { /* the poller says when the server is away */ } finally {
        setTimeout(() => { this.fetching = false; }, 1000);
      }
    }

    scrubTo(index) {
      if (index >= this.steps.length) { this.showLive(); return; }
      this.past = index;
      const step = this.steps[index];
      this.image.src = `runs/${encodeURIComponent(run.key)}/samples/${step}.png`;
      this.image.alt = `Samples from fixed noise at step ${step}`;
      this.when.textContent = `step ${pg.number(step)}`;
      this.goLive.hidden = false;
      this.scrub.setAttribute("aria-valuetext", `step ${step}`);
    }

    showLive() {
      this.stopPlay();
      this.past = null;
      this.shownGrid = null;
      this.scrub.max = this.steps.length;
      this.scrub.value = this.steps.length;
      this.scrub.setAttribute("aria-valuetext", "newest");
      this.goLive.hidden = true;
      if (run.wire?.grid) this.drawGrid(run.wire);
    }

    togglePlay() {
      if (this.playing) { this.stopPlay(); return; }
      if (!this.steps.length) return;
      let at = this.past === null || this.past >= this.steps.length - 1 ? 0 : this.past;
      this.play.replaceChildren(icon("pause"));
      const next = () => {
        if (at >= this.steps.length) { this.showLive(); return; }
        this.scrubTo(at);
        this.scrub.value = at;
        at += Math.max(1, Math.ceil(this.steps.length / 150));
      };
      next();
      this.playing = setInterval(next, 90);
    }

    stopPlay() {
      clearInterval(this.playing);
      this.playing = null;
      this.play?.replaceChildren(icon("play"));
    }

    download(anchor) {
      pg.download(`runs/${encodeURIComponent(run.key)}/${anchor.dataset.file}`, anchor);
    }
  }

  // Fetches a file that may take a while to make, or answers with a sentence why not.
  pg.download = (address, button) => pg.act(async () => {
    button.classList.add("busy");
    try {
      const answer = await fetch(address, { headers: { "X-Playground": "1" } });
      if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error || "The file can't be made.");
      const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "")?.[1] || address.split("/").pop();
      const url = URL.createObjectURL(await answer.blob());
      const anchor = el("a", { href: url, download: name });
      document.body.append(anchor);
      anchor.click();
      anchor.remove();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    } finally {
      button.classList.remove("busy");
    }
  });

  const sentence = (wire) => {
    if (wire.state === "waiting") return wire.place > 1 ? `Place ${wire.place} in the queue: training begins when the runs before it end.` : "Next in the queue: training begins when a running one ends.";
    if (wire.message) return wire.message;
    const what = [wire.title, wire.data, wire.device].filter(Boolean).join(" · ");
    return what;
  };

  poll();
})();
