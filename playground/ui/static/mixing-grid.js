// The grid of the Mix tab: destinations above, sources on the left, each with the other in the cells. One sheet from the
// server is cut into canvases; a table with the roles of a grid, in which the arrows walk.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;
  const { glyph, roll, wire, ready, caption, spoken, save, showRing } = pg.mixParts;
  const MOST = (pg.mixParts.MOST = 8); // rows, and columns

  pg.MixGrid = class {
    constructor(mix) {
      this.mix = mix;
      this.cells = new Map(); // by "row,column", -1 for the margins
      this.shown = null; // the sheet on the screen: {bitmap, blob, rows, columns}
      this.at = [0, 0]; // the one tab stop
      this.table = el("table.pg-mix-grid", { role: "grid", "aria-label": "Sources by destinations" });
      this.table.addEventListener("keydown", (event) => this.walk(event));
      this.table.addEventListener("pointerover", (event) => this.crossHair(event.target.closest("[data-at]")));
      this.table.addEventListener("pointerleave", () => this.crossHair(null));
      this.frame = el("div.pg-mix-frame", { tabindex: -1 }, this.table);
      const note = "Each cell is the picture above it with the styles of the picture on its left, in the layers that are switched on. Click a picture in the margin to change it, a cell to enlarge it.";
      const take = el("button.pg-link-button", { type: "button", onclick: () => this.shown && save(this.shown.blob, `${this.facts.key}-mixing-grid.png`) }, "Download the grid");
      this.panel = el("section.pg-mix-main", { "aria-label": "Grid" }, this.frame, el("div.pg-mix-foot", {}, el("p.pg-fine.pg-mix-note", {}, note), take));
      this.editing = null; // {kind, at, row, column} of the picture whose editor is open
      this.editor = el("div.pg-mix-editor", { role: "dialog", hidden: true });
      this.editor.addEventListener("keydown", (event) => { if (event.key === "Escape") { this.closeEditor(true); event.stopPropagation(); } });
      document.addEventListener("pointerdown", (event) => { if (this.editing && !this.editor.contains(event.target) && !event.target.closest("[data-edits]")) this.closeEditor(); });
      new ResizeObserver(() => this.fit()).observe(this.panel);
    }

    get state() {
      return this.mix.state;
    }

    get facts() {
      return this.mix.facts;
    }

    forget() {
      this.shown?.bitmap.close();
      this.shown = null;
    }

    // The table for as many rows and columns as there are now; what was drawn of them is kept.
    lay() {
      const { rows, columns } = this.state;
      this.closeEditor();
      const hadFocus = this.table.contains(document.activeElement);
      this.cells = new Map();
      const place = (row, column) => `${row},${column}`;
      const head = (point, row, column) => {
        const canvas = el("canvas"), ring = el("div.pg-mix-ring", { hidden: true }), name = el("span.pg-mix-caption", { "aria-hidden": "true" });
        const button = el("button.pg-mix-face", { type: "button", tabindex: -1, "data-at": place(row, column), "data-edits": true, "aria-haspopup": "dialog", onclick: () => this.openEditor(row, column) }, canvas, ring);
        const dice = el("button.pg-mix-dice", { type: "button", tabindex: -1, "aria-label": `New seed for ${row < 0 ? `column ${column + 1}` : `row ${row + 1}`}`, title: "New seed", onclick: (event) => this.reseed(row, column, event) }, glyph("dice"));
        const node = el(`th.${row < 0 ? "over" : "beside"}`, { scope: row < 0 ? "col" : "row" }, el("div.pg-mix-pic", {}, button, name, dice));
        this.mix.droppable(node, (file) => this.mix.invert(file, row < 0 ? "columns" : "rows", row < 0 ? column : row));
        this.cells.set(place(row, column), { canvas, button, ring, name, node, dice });
        return node;
      };
      const cell = (row, column) => {
        const canvas = el("canvas");
        const button = el("button.pg-mix-cell", { type: "button", tabindex: -1, "data-at": place(row, column), onclick: () => this.pick(row, column, true) }, canvas);
        const node = el("td", {}, button);
        this.cells.set(place(row, column), { canvas, button, node });
        return node;
      };
      const add = (kind) => el("button.pg-mix-add", { type: "button", "data-add": kind, disabled: this.state[kind].length >= MOST, "aria-label": kind === "rows" ? "Add a source (row)" : "Add a destination (column)", title: kind === "rows" ? "Add a source" : "Add a destination", onclick: () => this.add(kind) }, glyph("plus"));
      const corner = el("td.pg-mix-corner", {}, el("div", { "aria-hidden": "true" }, el("span", {}, "destinations →"), el("span", {}, "sources ↓")));
      this.table.replaceChildren(
        el("thead", {}, el("tr", {}, corner, ...columns.map((point, column) => head(point, -1, column)), el("td.pg-mix-more", {}, add("columns")))),
        el("tbody", {}, ...rows.map((point, row) => el("tr", {}, head(point, row, -1), ...columns.map((_, column) => cell(row, column)), el("td"))),
          el("tr", {}, el("td.pg-mix-more", {}, add("rows")), el("td", { colspan: columns.length + 1 }))));
      const [row, column] = this.state.picked;
      this.state.picked = [Math.min(row, rows.length - 1), Math.min(column, columns.length - 1)];
      this.at = [Math.min(this.at[0], rows.length - 1), Math.min(this.at[1], columns.length - 1)];
      if (this.at[0] < 0 && this.at[1] < 0) this.at = [0, 0];
      this.label();
      this.fit();
      this.paint();
      if (hadFocus) this.cells.get(this.at.join())?.button.focus();
    }

    // Pictures as large as the columns leave room for, within reason; beyond that the frame scrolls.
    fit() {
      const width = this.panel.clientWidth, { length } = this.state.columns;
      if (!width || !this.facts) return;
      const across = (width - 84) / (length + 1.2) - 6;
      const down = Math.max(96, (window.innerHeight - 350) / (this.state.rows.length + 1.5) - 6);
      const side = Math.floor(Math.max(64, Math.min(124, across, down)));
      if (side === this.side) return;
      this.side = side;
      this.mix.root.style.setProperty("--side", `${side}px`);
      this.paint();
    }

    label() {
      const { rows, columns, picked } = this.state;
      const { classes } = this.facts;
      for (const [key, cell] of this.cells) {
        const [row, column] = key.split(",").map(Number);
        cell.button.tabIndex = key === this.at.join() ? 0 : -1;
        if (row < 0 || column < 0) {
          const point = row < 0 ? columns[column] : rows[row];
          const who = row < 0 ? `Destination ${column + 1}` : `Source ${row + 1}`;
          cell.button.setAttribute("aria-label", `${who}: ${spoken(point, classes)}. Change it`);
          cell.name.textContent = caption(point, classes);
          cell.dice.hidden = !ready(point);
          showRing(cell.ring, point);
        } else {
          const chosen = picked[0] === row && picked[1] === column;
          cell.button.setAttribute("aria-label", `Source ${row + 1} in destination ${column + 1}`);
          cell.node.setAttribute("aria-selected", String(chosen));
        }
      }
    }

    paint() {
      const { rows, columns } = this.state;
      const { bitmap } = this.shown || {};
      const tile = bitmap ? bitmap.width / (this.shown.columns.length + 1) : 0;
      for (const [key, cell] of this.cells) {
        const [row, column] = key.split(",").map(Number);
        const y = row < 0 ? 0 : (this.shown?.rows.indexOf(rows[row]) ?? -1) + 1;
        const x = column < 0 ? 0 : (this.shown?.columns.indexOf(columns[column]) ?? -1) + 1;
        const drawn = bitmap && (row < 0 || y > 0) && (column < 0 || x > 0);
        cell.button.classList.toggle("blank", !drawn);
        if (drawn) pg.paint(cell.canvas, bitmap, { part: [x * tile, y * tile, tile, tile] });
      }
    }

    async draw() {
      const rows = this.state.rows.filter(ready), columns = this.state.columns.filter(ready);
      if (!rows.length || !columns.length) return;
      const { key } = this.facts;
      const body = { model: key, rows: rows.map(wire), columns: columns.map(wire), layer_t: this.state.layers, noise: this.mix.noise, truncation: this.mix.psi };
      const answer = await pg.fetchFile("explore/mixgrid", body);
      this.mix.step = +answer.headers.get("X-Step") || this.mix.step;
      const blob = await answer.blob();
      const bitmap = await createImageBitmap(blob);
      if (this.facts.key !== key) { bitmap.close(); return; } // another model was chosen meanwhile
      this.shown?.bitmap.close();
      this.shown = { bitmap, blob, rows, columns };
      this.paint();
    }

    // --- choosing cells

    pick(row, column, clicked = false) {
      this.state.picked = [row, column];
      this.at = [row, column];
      this.label();
      this.mix.keep();
      this.mix.drawLarge();
      if (clicked && matchMedia("(max-width: 900px)").matches) this.mix.largeCard.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }

    walk(event) {
      const place = event.target.closest("[data-at]")?.dataset.at;
      if (!place) return;
      let [row, column] = place.split(",").map(Number);
      if (event.key === "ArrowUp") row -= 1;
      else if (event.key === "ArrowDown") row += 1;
      else if (event.key === "ArrowLeft") column -= 1;
      else if (event.key === "ArrowRight") column += 1;
      else if (event.key === "Home") column = row < 0 ? 0 : -1;
      else if (event.key === "End") column = this.state.columns.length - 1;
      else return;
      event.preventDefault();
      const next = this.cells.get(`${row},${column}`);
      if (!next) return;
      if (row >= 0 && column >= 0) this.pick(row, column);
      else { this.at = [row, column]; this.label(); }
      next.button.focus();
    }

    crossHair(target) {
      const [row, column] = target ? target.dataset.at.split(",").map(Number) : [null, null];
      for (const [key, cell] of this.cells || []) {
        const [r, c] = key.split(",").map(Number);
        const lit = target && ((r < 0 && c === column) || (c < 0 && r === row));
        cell.node.classList.toggle("lit", Boolean(lit && row >= 0 && column >= 0));
      }
    }

    // --- changing the margins

    reseed(row, column, event) {
      const [kind, at] = row < 0 ? ["columns", column] : ["rows", row];
      const old = this.state[kind][at];
      const known = old.before || old;
      this.state[kind][at] = { seed: roll(), label: known.label ?? null, codes: known.codes ?? null };
      this.label();
      this.paint();
      this.mix.changed(event);
    }

    add(kind) {
      const points = this.state[kind];
      if (points.length >= MOST) return;
      const classes = this.facts.classes.length;
      points.push({ seed: roll(), label: classes ? points.length % classes : null, codes: null });
      this.lay();
      this.mix.changed();
      if (kind === "columns") this.frame.scrollTo({ left: this.frame.scrollWidth, behavior: "smooth" });
    }

    remove(kind, at) {
      if (this.state[kind].length <= 1) return;
      this.state[kind].splice(at, 1);
      this.closeEditor();
      this.lay();
      this.mix.changed();
      this.cells.get(this.at.join())?.button.focus({ preventScroll: true });
    }

    // --- the editor of one picture in the margin

    openEditor(row, column) {
      const kind = row < 0 ? "columns" : "rows", at = row < 0 ? column : row;
      if (this.editing?.kind === kind && this.editing.at === at) { this.closeEditor(true); return; }
      this.at = [row, column];
      this.label();
      this.editing = { kind, at, row, column };
      this.fillEditor();
      const { button } = this.cells.get(`${row},${column}`);
      button.setAttribute("aria-expanded", "true");
      this.editor.hidden = false;
      const face = button.getBoundingClientRect(), room = this.mix.work.getBoundingClientRect();
      const left = row < 0 ? face.left - room.left : face.right - room.left + 10;
      const top = row < 0 ? face.bottom - room.top + 10 : face.top - room.top;
      this.editor.style.left = `${Math.max(0, Math.min(left, room.width - this.editor.offsetWidth))}px`;
      this.editor.style.top = `${top}px`;
      this.editor.querySelector("input, button:not(.pg-mix-close)")?.focus({ preventScroll: true });
    }

    fillEditor() {
      const { kind, at, row, column } = this.editing;
      const title = kind === "columns" ? `Destination ${at + 1}` : `Source ${at + 1}`;
      const focused = document.activeElement && this.editor.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
      const close = el("button.pg-mini.pg-mix-close", { type: "button", "aria-label": "Close", onclick: () => this.closeEditor(true) }, pg.icon("close"));
      this.editor.setAttribute("aria-label", title);
      this.editor.replaceChildren(el("header", {}, el("h4", {}, title), close), ...this.mix.controlsFor(this.state[kind][at], {
        change: (next, event) => { this.state[kind][at] = next; this.label(); this.paint(); this.mix.changed(event); this.fillEditor(); },
        file: (file) => { this.closeEditor(true); this.mix.invert(file, kind, at); },
        cancel: () => { this.closeEditor(true); this.mix.cancel(kind, at); },
        remove: this.state[kind].length > 1 ? () => this.remove(kind, at) : null,
      }));
      if (focused) this.editor.querySelector(`[aria-label="${focused}"]`)?.focus();
      this.cells.get(`${row},${column}`)?.button.setAttribute("aria-expanded", "true");
    }

    closeEditor(back = false) {
      if (!this.editing) return;
      const cell = this.cells.get(`${this.editing.row},${this.editing.column}`);
      cell?.button.removeAttribute("aria-expanded");
      this.editing = null;
      this.editor.hidden = true;
      if (back) cell?.button.focus({ preventScroll: true });
    }
  };
})();
