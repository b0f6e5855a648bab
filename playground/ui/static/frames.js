// Pictures of recipes from the server: one request a place at a time, the newest wins; and sheets of thumbnails.
"use strict";

(() => {
  const pg = window.playground;
  const MARKS = 1000;

  // `times` holds, for each picture that was shown, the milliseconds from the input event to the decoded picture;
  // `pending` counts the places whose newest picture is still to come.
  const frames = (pg.frames = { times: [], shown: 0, skipped: 0, pending: 0 });

  // A POST whose answer is not JSON but a picture or a file; failures carry the server's sentence.
  pg.fetchFile = async (path, body, { signal, type = "application/json" } = {}) => {
    const headers = { "X-Playground": "1" };
    if (type) headers["Content-Type"] = type;
    let answer;
    try {
      answer = await fetch(path, { method: "POST", credentials: "same-origin", headers, signal, body: type === "application/json" ? JSON.stringify(body) : body });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      const lost = new Error("The server can't be reached: check that the playground is still running.");
      lost.offline = true;
      throw lost;
    }
    if (!answer.ok) {
      const failure = new Error((await answer.json().catch(() => null))?.error || `The server answered with error ${answer.status}: reload the page.`);
      failure.status = answer.status;
      throw failure;
    }
    return answer;
  };

  // The models that a tab can open. It says where there is none; else the one of last time is opened, or the favourite;
  // one that can't be opened makes way for the next. The tab has loading, empty, work, facts, state and open(key).
  pg.offerModels = async (tab, path, { favourite, suits = (models) => models, fill }) => {
    let answer;
    try {
      answer = await pg.api(path);
    } catch (error) {
      tab.loading.hidden = Boolean(tab.facts);
      tab.loading.textContent = error.message;
      return;
    }
    tab.models = suits(answer.models);
    tab.empty.hidden = tab.models.length > 0;
    tab.work.hidden = !tab.facts || !tab.models.length;
    if (!tab.models.length) {
      tab.loading.hidden = true;
      tab.facts = null;
      return;
    }
    fill();
    if (tab.models.some((model) => model.key === tab.facts?.key)) return;
    const wish = ({ key }) => (key === tab.state.model ? 0 : key === favourite ? 1 : 2);
    for (const { key } of [...tab.models].sort((a, b) => wish(a) - wish(b))) {
      await tab.open(key);
      if (tab.facts?.key === key) return;
    }
  };

  // The same models in a select, those that come with the project first.
  pg.fillPicker = (picker, models, chosen) => {
    const { el } = pg;
    const group = (label, some) => some.length && el("optgroup", { label }, ...some.map((model) => el("option", { value: model.key }, model.kind === "live" ? `${model.title} (training)` : model.title)));
    const shipped = (model) => model.kind === "shipped";
    picker.replaceChildren(...[group("Ready to use", models.filter(shipped)), group("Yours", models.filter((model) => !shipped(model)))].filter(Boolean));
    if (models.some((model) => model.key === chosen)) picker.value = chosen;
  };

  // Draws (a part of) a decoded picture so that it fills a canvas. Enlarged with the browser's best filter, or in pixels.
  pg.paint = (canvas, bitmap, { smooth = true, part = null } = {}) => {
    const [x, y, width, height] = part || [0, 0, bitmap.width, bitmap.height];
    const wanted = Math.round((canvas.clientWidth || 128) * (window.devicePixelRatio || 1));
    const side = Math.max(16, Math.min(640, wanted)); // beyond that the filter costs more than it shows
    if (canvas.width !== side || canvas.height !== side) Object.assign(canvas, { width: side, height: side });
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, x, y, width, height, 0, 0, side, side);
    canvas.classList.add("drawn");
  };

  // PNG bytes as an address of their own. A blob would be handed to another process of the browser and back, twice: on a
  // busy machine that takes longer than all the rest.
  const dataAddress = (bytes) => {
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return `data:image/png;base64,${btoa(text)}`;
  };

  const loaded = (image, address) => new Promise((resolve, reject) => {
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("The server sent a picture that can't be shown: try again."));
    image.decoding = "sync"; // with the next paint, not whenever there is time
    image.src = address;
  });

  // The picture that PNG bytes hold.
  pg.decoded = (bytes) => loaded(new Image(), dataAddress(bytes));

  // Gives the function that puts the picture into a canvas; an <img> shows it by itself.
  const show = async (target, bytes, options) => {
    const address = dataAddress(bytes);
    if (target instanceof HTMLImageElement) {
      await loaded(target, address);
      return () => {};
    }
    target.bitmap = await loaded(new Image(), address);
    return () => pg.paint(target, target.bitmap, { smooth: target.smooth ?? options.smooth ?? true });
  };

  const mark = (since) => {
    const now = performance.now(), time = now - since;
    frames.shown += 1;
    frames.times.push(time);
    if (frames.times.length > MARKS) frames.times.shift();
    try {
      performance.measure("pg-frame", { start: since, end: now });
      if (frames.shown % MARKS === 0) performance.clearMeasures("pg-frame");
    } catch { /* an event older than the page's clock */ }
  };

  const lanes = new WeakMap(); // one a place

  const work = async (target, lane) => {
    lane.busy = true;
    frames.pending += 1;
    while (lane.next) {
      const job = lane.next;
      lane.next = null;
      try {
        const answer = await pg.fetchFile("explore/frame", { recipe: job.recipe });
        const paint = await show(target, new Uint8Array(await answer.arrayBuffer()), job.options);
        paint(); // a canvas decodes it here
        mark(job.since);
        job.resolve({ step: +answer.headers.get("X-Step") || null });
      } catch (error) {
        job.reject(error);
      }
    }
    lane.busy = false;
    frames.pending -= 1;
  };

  // Shows the picture of a recipe in an <img> or a <canvas>. Resolves with {step} when it is shown, with null when a newer
  // recipe took its turn; rejects with the server's sentence. `since`: when the change began (an event's timeStamp).
  pg.frame = (recipe, target, options = {}) => new Promise((resolve, reject) => {
    let lane = lanes.get(target);
    if (!lane) lanes.set(target, (lane = { busy: false, next: null }));
    if (lane.next) {
      frames.skipped += 1;
      lane.next.resolve(null);
    }
    lane.next = { recipe, options, since: options.since ?? performance.now(), resolve, reject };
    if (!lane.busy) work(target, lane);
  });

  // Many recipes drawn as one sheet: {bitmap, columns, tile, count}.
  pg.sheet = async (recipes, { signal } = {}) => {
    const columns = Math.min(8, recipes.length);
    const answer = await pg.fetchFile("explore/strip", { recipes, columns }, { signal });
    const bitmap = await createImageBitmap(await answer.blob());
    return { bitmap, columns, tile: bitmap.width / columns, count: recipes.length };
  };

  pg.paintTile = (canvas, sheet, index, options = {}) => {
    const { bitmap, columns, tile } = sheet;
    pg.paint(canvas, bitmap, { ...options, part: [(index % columns) * tile, Math.floor(index / columns) * tile, tile, tile] });
  };
})();
