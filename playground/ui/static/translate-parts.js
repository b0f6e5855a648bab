// What the Translate tab is made of: a picture before and after with a slider between them, and the camera.
"use strict";

(() => {
  const pg = window.playground;
  const { el } = pg;

  // Two pictures of one place, the first to the left of a line that is dragged, or moved with the arrow keys.
  class Compare {
    constructor() {
      this.before = el("img.pg-tr-before", { alt: "Before", draggable: "false" });
      this.after = el("img.pg-tr-after", { alt: "After", draggable: "false" });
      this.range = el("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": "How much of the picture is shown as it was before" });
      this.range.addEventListener("input", () => this.show());
      this.tags = [el("span.pg-tr-tag"), el("span.pg-tr-tag.right")];
      this.node = el("div.pg-tr-compare", {}, this.after, this.before, el("i.pg-tr-line", { "aria-hidden": "true" }), ...this.tags, this.range);
      this.show();
    }

    show() {
      const at = +this.range.value;
      this.node.style.setProperty("--at", `${at}%`);
      this.range.setAttribute("aria-valuetext", `${Math.round(at)} % before`);
      this.tags[0].classList.toggle("gone", at < 16);
      this.tags[1].classList.toggle("gone", at > 84);
    }

    // {address, name} of either side; `shape` is [width, height] of what comes after; `sharp` shows pixels as squares.
    set(before, after, shape, sharp = false) {
      for (const [image, side, tag] of [[this.before, before, this.tags[0]], [this.after, after, this.tags[1]]]) {
        if (image.getAttribute("src") !== side.address) image.src = side.address;
        image.alt = side.name;
        tag.textContent = side.name;
      }
      const [width, height] = shape || [1, 1];
      this.node.style.setProperty("--ratio", Math.min(6, Math.max(1 / 3, width / height)));
      this.node.classList.toggle("sharp", sharp);
    }
  }

  // The camera: a live picture, and a button that takes it. `took` gets a file.
  class Camera {
    constructor(took) {
      this.took = took;
      this.video = el("video", { playsinline: true, muted: true, "aria-label": "What the camera sees" });
      const take = el("button.pg-button", { type: "button", onclick: () => this.take() }, "Take picture");
      const close = el("button.pg-button", { type: "button", onclick: () => this.close() }, "Close");
      this.node = el("div.pg-tr-camera", { role: "dialog", "aria-label": "Camera", hidden: true }, this.video, el("div.pg-tr-camera-foot", {}, take, close));
      this.node.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
      this.first = take;
      document.addEventListener("visibilitychange", () => { if (document.hidden) this.close(); });
    }

    static get available() {
      return Boolean(navigator.mediaDevices?.getUserMedia);
    }

    async open() {
      try {
        this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
      } catch (error) {
        pg.toast(error.name === "NotAllowedError" ? "The camera is not allowed here: allow it in the browser's address bar, or choose a file." : "No camera could be opened: connect one, or choose a file.", "error");
        return;
      }
      this.video.srcObject = this.stream;
      this.node.hidden = false;
      this.first.focus();
      await this.video.play().catch(() => {});
    }

    close() {
      this.stream?.getTracks().forEach((track) => track.stop());
      this.stream = this.video.srcObject = null;
      this.node.hidden = true;
    }

    take() {
      const { videoWidth: width, videoHeight: height } = this.video;
      if (!width) return; // no picture yet
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      canvas.getContext("2d").drawImage(this.video, 0, 0);
      canvas.toBlob((blob) => {
        if (blob) this.took(new File([blob], `camera-${new Date().toTimeString().slice(0, 8).replaceAll(":", "-")}.jpg`, { type: "image/jpeg" }));
      }, "image/jpeg", 0.92);
      this.close();
    }
  }

  pg.translateParts = { Compare, Camera };
})();
