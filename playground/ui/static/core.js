// What all parts of the page share: talking to the server, toasts, formats, tabs, and the lazy loading of Plotly.
"use strict";

window.playground = (() => {
  const pg = {};

  // --- building elements: el("button.primary", {onclick}, "text", child)
  pg.el = (what, attributes = {}, ...children) => {
    const [tag, ...classes] = what.split(".");
    const node = document.createElement(tag || "div");
    if (classes.length) node.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  };

  pg.icon = (name) => {
    const paths = {
      pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
      play: "M8 5l11 7-11 7z",
      step: "M6 5l9 7-9 7zM16 5h2.5v14H16z",
      stop: "M6.5 6.5h11v11h-11z",
      save: "M12 3v10.2l3.6-3.6 1.4 1.4-6 6-6-6 1.4-1.4L10 13.2V3zM5 19h14v2H5z",
      close: "M6.4 5L12 10.6 17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4L12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z",
      warn: "M12 3l10 18H2zm-1 7v5h2v-5zm0 6.5v2h2v-2z",
    };
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("pg-icon");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", paths[name]);
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
    return svg;
  };

  // --- the server. Paths are relative, so that the app also works below a prefix.
  pg.api = async (path, body) => {
    const options = { headers: { "X-Playground": "1" }, credentials: "same-origin" };
    if (body !== undefined) {
      options.method = "POST";
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      const error = new Error("The server can't be reached: check that the playground is still running.");
      error.offline = true;
      throw error;
    }
    let data = null;
    try {
      data = await answer.json();
    } catch {
      data = null;
    }
    if (!answer.ok || data === null) {
      const error = new Error(data?.error || `The server answered with error ${answer.status}: reload the page.`);
      error.status = answer.status;
      throw error;
    }
    return data;
  };

  // Runs an action of the user; what goes wrong is said in a toast.
  pg.act = async (action) => {
    try {
      return await action();
    } catch (error) {
      pg.toast(error.message, "error");
      return null;
    }
  };

  // --- toasts
  let stack = null;
  pg.toast = (text, kind = "info") => {
    if (!stack) {
      stack = pg.el("div.pg-toasts", { role: "region", "aria-label": "Messages" });
      document.body.append(stack);
    }
    const remove = () => toast.remove();
    const close = pg.el("button", { type: "button", "aria-label": "Close message", onclick: remove }, pg.icon("close"));
    const toast = pg.el(`div.pg-toast.${kind}`, { role: kind === "error" ? "alert" : "status" }, pg.el("span", {}, text), close);
    stack.append(toast);
    while (stack.children.length > 4) stack.firstChild.remove();
    setTimeout(remove, kind === "error" ? 12000 : 5000);
  };

  // --- numbers
  pg.clamp = (value, low, high) => Math.max(low, Math.min(high, value));

  // --- formats
  pg.number = (value) => Math.round(value).toLocaleString("en-US");
  pg.short = (value) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size >= 1000) return pg.number(value);
    if (size >= 100) return value.toFixed(0);
    if (size >= 10) return value.toFixed(1);
    return value.toFixed(2);
  };
  pg.value = (value) => (typeof value === "boolean" ? (value ? "on" : "off") : typeof value === "number" ? String(+value.toPrecision(6)) : String(value));
  pg.duration = (seconds) => {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
    const s = Math.max(0, Math.round(seconds));
    const two = (n) => String(n).padStart(2, "0");
    return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`;
  };
  pg.ago = (time) => {
    const s = Date.now() / 1000 - time;
    if (s < 60) return "just now";
    const [n, unit] = s < 3600 ? [s / 60, "minute"] : s < 86400 ? [s / 3600, "hour"] : [s / 86400, "day"];
    return `${Math.floor(n)} ${unit}${Math.floor(n) === 1 ? "" : "s"} ago`;
  };

  // --- tabs: #train in the address opens the Train tab, and the address follows the tab. What follows a "?" is for the
  // tab itself: #explore?r=… opens a picture in Explore.
  pg.place = () => {
    const [name, ...rest] = location.hash.slice(1).split("?");
    return { name, query: new URLSearchParams(rest.join("?")) };
  };
  const tabs = () => [...document.querySelectorAll('.pg-tabs > .tab-wrapper button[role="tab"]')];
  const slug = (button) => button.textContent.trim().toLowerCase();
  pg.openTab = (name) => {
    const button = tabs().find((tab) => slug(tab) === name.split("?")[0]);
    if (button && button.getAttribute("aria-selected") !== "true") button.click();
    return Boolean(button);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-open-tab]");
    if (link) {
      event.preventDefault();
      pg.openTab(link.dataset.openTab);
      window.scrollTo({ top: 0 });
    }
    const tab = event.target.closest?.('.pg-tabs > .tab-wrapper button[role="tab"]');
    if (tab && slug(tab) !== pg.place().name) history.replaceState(null, "", `#${slug(tab)}`);
  });
  window.addEventListener("hashchange", () => pg.openTab(pg.place().name));

  // The row of tabs: the chosen one is in sight, and its end fades where more follows.
  const watchRow = (row) => {
    const shade = () => row.classList.toggle("more", row.scrollLeft + row.clientWidth < row.scrollWidth - 4);
    const show = () => {
      const tab = row.querySelector('[aria-selected="true"]');
      if (tab) row.scrollTo({ left: tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2 });
      shade();
    };
    row.addEventListener("scroll", shade, { passive: true });
    new MutationObserver(show).observe(row, { subtree: true, attributeFilter: ["aria-selected"] });
    new ResizeObserver(show).observe(row);
  };
  const rows = setInterval(() => {
    const row = document.querySelector('.pg-tabs > .tab-wrapper [role="tablist"]');
    if (row) { clearInterval(rows); watchRow(row); }
  }, 100);
  const wanted = pg.place().name;
  if (wanted) {
    let tries = 0;
    const timer = setInterval(() => {
      if (pg.openTab(wanted) || ++tries > 100) clearInterval(timer);
    }, 100);
  }

  // --- Plotly weighs 1.4 MB packed: it is fetched when the first chart is shown
  let loading = null;
  pg.plotly = () => {
    loading ||= new Promise((resolve, reject) => {
      const script = pg.el("script", { src: "ui/plotly.min.js" });
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => {
        loading = null;
        reject(new Error("The charts can't be loaded: reload the page."));
      };
      document.head.append(script);
    });
    return loading;
  };

  // --- other tabs of this browser: a run that starts in one is shown in all
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("gan-playground") : null;
  pg.tell = (what) => channel?.postMessage(what);
  pg.listen = (heard) => channel?.addEventListener("message", (event) => heard(event.data));

  pg.shown = (node) => Boolean(node && node.isConnected && node.offsetParent !== null);
  return pg;
})();
