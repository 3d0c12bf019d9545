// What links and forms cannot do: live updates, keys, the theme. Everything works without it.
"use strict";

(() => {
  const body = document.body;
  const root = body.dataset.root;
  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private browsing */ } };
  const byId = (id) => document.getElementById(id);
  document.querySelector(".tools").hidden = false;

  // Live updates: the server says that something changed, and the region `live` is fetched again.

  const follow = byId("follow");
  let stream = null;
  let following = stored("pgqueue-follow") !== "no";

  // Charts are asked for less often: they are large, and a minute is their smallest step.
  let charted = Date.now();
  const changed = () => {
    if (document.hidden || !following || busy()) return;
    body.dispatchEvent(new CustomEvent("changed"));
    if (Date.now() - charted < 15000) return;
    charted = Date.now();
    body.dispatchEvent(new CustomEvent("later"));
  };
  // Who has opened or selected something is not to lose it.
  const busy = () => document.querySelector("#live :is(dialog[open], .editing), #live input:checked, #live textarea:focus, #live input:focus") !== null;
  // It may have begun while the answer was under way.
  document.addEventListener("htmx:before:swap", (event) => { if (busy()) event.preventDefault(); });

  const connect = () => {
    if (!body.dataset.changes || !following || document.hidden || stream) return;
    stream = new EventSource(body.dataset.changes);
    stream.addEventListener("changed", changed);
    // One that is refused is over for good: ask, and try again.
    stream.addEventListener("error", () => {
      if (stream?.readyState !== EventSource.CLOSED) return;
      stream = null;
      changed();
      setTimeout(connect, 5000);
    });
  };
  const disconnect = () => { if (stream) { stream.close(); stream = null; } };
  const show = () => {
    follow.setAttribute("aria-pressed", String(following));
    byId("follow-word").textContent = following ? "live" : "paused";
  };
  const toggle = () => {
    following = !following;
    store("pgqueue-follow", following ? "yes" : "no");
    show();
    if (following) { connect(); changed(); } else disconnect();
    say(following ? "Live updates" : "Live updates are paused");
  };
  follow.addEventListener("click", toggle);
  document.addEventListener("visibilitychange", () => { if (document.hidden) disconnect(); else { connect(); changed(); } });
  window.addEventListener("pagehide", disconnect);
  if (!body.dataset.changes) setInterval(changed, 5000);
  show();
  connect();

  // Times in the zone of whoever looks
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = new Intl.DateTimeFormat("sv", { dateStyle: "short", timeStyle: "medium" });
  const day = new Intl.DateTimeFormat("en", { weekday: "short" });
  const localize = () => {
    for (const place of document.querySelectorAll("[data-zone]")) place.textContent = zone;
    for (const place of document.querySelectorAll("time[data-local]")) {
      const at = new Date(place.dateTime);
      place.textContent = `${day.format(at)} ${clock.format(at)}`;
    }
  };
  document.addEventListener("htmx:after:settle", localize);
  localize();

  // Speaking

  const say = (text) => { byId("said").textContent = text; };

  // Theme

  const theme = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `pgqueue_theme=${next}; path=${root}; max-age=31536000; samesite=strict`;
    document.dispatchEvent(new CustomEvent("theme"));
  };
  byId("theme").addEventListener("click", theme);

  // Keys

  const rows = () => [...document.querySelectorAll("tr[data-row]")];
  const here = () => document.querySelector("tr.here");
  const name = (row) => row.querySelector("a")?.href;
  let marked = null;
  const mark = () => {
    for (const row of rows()) row.classList.toggle("here", marked !== null && name(row) === marked);
  };
  document.addEventListener("htmx:after:settle", mark);
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const before = all.indexOf(here());
    const next = all[Math.min(Math.max(before + step, 0), all.length - 1)];
    marked = name(next);
    mark();
    next.scrollIntoView({ block: "nearest" });
    next.querySelector("a")?.focus({ preventScroll: true });
  };
  const keys = byId("keys");
  const off = byId("keys-off");
  off.checked = stored("pgqueue-keys") === "off";
  off.addEventListener("change", () => store("pgqueue-keys", off.checked ? "off" : "on"));
  byId("help").addEventListener("click", () => keys.showModal());

  let going = 0;
  const go = (key) => document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`)?.click();
  const single = {
    "?": () => keys.showModal(),
    "/": () => document.querySelector("input[type=search]")?.focus(),
    r: toggle,
    t: theme,
    j: () => move(1),
    k: () => move(-1),
    x: () => here()?.querySelector("input[type=checkbox]")?.click(),
    g: () => { going = Date.now(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || off.checked) return;
    if (event.target.closest("input, textarea, select, dialog[open]")) return;
    const gone = Date.now() - going < 1500;
    going = 0;
    if (gone) { event.preventDefault(); go(event.key); return; }
    const act = single[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // Selecting rows: "all" selects what is on the page, and the count stands beside the buttons.

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-select]");
    if (!form) return;
    const boxes = [...form.querySelectorAll("input[name=id]")];
    if (event.target.matches("[data-all]")) for (const box of boxes) box.checked = event.target.checked;
    const count = boxes.filter((box) => box.checked).length;
    for (const place of form.querySelectorAll("[data-count]")) place.textContent = count ? `${count} selected` : "";
  });

  // Forms that ask first, copying

  document.addEventListener("submit", (event) => {
    const asks = event.target.dataset.asks;
    if (asks && !confirm(asks)) event.preventDefault();
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
    say("Copied");
  });
})();
