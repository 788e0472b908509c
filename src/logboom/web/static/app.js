// The frame: which view is shown, the state of the server, the theme. Each view is a module with `title` and
// `show(root, parameters)`, which returns `{update(parameters), close()}`.

import { poll } from "/static/api.js";
import { el, setData, setText } from "/static/dom.js";
import "/static/keys.js";
import "/static/login.js";
import { DEFAULT_VIEW, here, link } from "/static/route.js";
import "/static/panel.js";
import * as overview from "/static/overview.js";
import { since } from "/static/format.js";
import { readState, staleSince } from "/static/state.js";
import { isUtc, setUtc } from "/static/zone.js";

const STATUS_MS = 5000;
const VIEWS = {
  overview: () => overview, // the first that most see; the others are fetched when they are wanted
  live: () => import("/static/live.js"),
  search: () => import("/static/search.js"),
  entry: () => import("/static/context.js"), // an entry's permalink
  charts: () => import("/static/charts.js"),
  devices: () => import("/static/devices.js"),
  storage: () => import("/static/storage.js"),
  alerts: () => import("/static/alertview.js"),
};
const EXPLORER = ["search", "live"]; // two ways to look at the same entries: the filters of one are those of the other
const SHARED = ["q", "level", "source", "listener", "columns"];
const THEMES = ["auto", "light", "dark"];

const root = document.getElementById("view");
let shown = null; // {name, view}
let wanted = null;

async function route() {
  const { view, parameters } = here();
  const name = Object.hasOwn(VIEWS, view) ? view : DEFAULT_VIEW;
  if (location.hash === "#view") return root.focus(); // the skip link
  shareFilters(name, parameters);
  if (shown?.name === name && wanted === name) return shown.view.update(parameters);
  wanted = name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (link.dataset.view === name) reveal(link);
  }
  let module;
  setBusy(true); // the previous view is still shown
  try {
    module = await VIEWS[name]();
  } catch {
    if (wanted !== name) return;
    close();
    setBusy(false);
    root.replaceChildren(el("p", {}, "This view can’t be loaded: the server can’t be reached. ",
      el("button", { type: "button", on: { click: () => location.reload() } }, "Try again")));
    return;
  }
  if (wanted !== name) return; // the user went on meanwhile
  setBusy(false);
  close();
  root.className = `view ${name}${staleSince() === null ? "" : " faded"}`;
  root.scrollTop = 0;
  document.title = `${module.title} · Logboom`;
  shown = { name, view: module.show(root, here().parameters) };
}

/** Scroll the navigation as far as a link needs to be visible: on a phone it may be wider than the screen. */
function reveal(link) {
  const nav = link.parentElement;
  nav.scrollLeft = link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2;
}

/** Let the links to Search and Live take the filters along. */
function shareFilters(name, parameters) {
  const shared = EXPLORER.includes(name) ? SHARED.map((one) => [one, parameters.getAll(one)]) : [];
  for (const view of EXPLORER) document.querySelector(`nav a[data-view="${view}"]`).setAttribute("href", link(view, Object.fromEntries(shared)));
}

function setBusy(busy) {
  root.inert = busy;
  root.setAttribute("aria-busy", String(busy));
}

function close() {
  shown?.view.close();
  shown = null;
  root.replaceChildren();
  const entry = document.getElementById("entry");
  entry.hidden = true;
  entry.replaceChildren();
}

function showHealth(state, text, texts = []) {
  const badge = document.getElementById("health");
  setData(badge, "state", state);
  setText(document.getElementById("health-text"), text);
  badge.title = texts.join("\n");
}

poll(async (signal) => {
  try {
    const { state, badge, texts } = await readState(signal);
    showHealth(state, badge, texts);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    showHealth("unknown", error.status ? "status unknown" : "not reachable");
  }
}, STATUS_MS);

/** Update the state of the server, on every view. */
addEventListener("staleness", () => {
  const bar = document.getElementById("stale");
  const at = staleSince();
  bar.hidden = at === null;
  root.classList.toggle("faded", at !== null);
  if (at !== null) showHealth("unknown", "not reachable");
  if (at !== null) setText(bar, `No answer from the server since ${since(at)}. What is shown may have changed since then.`);
});

const zoneButton = document.getElementById("zone");

function showZone() {
  setText(zoneButton.lastChild, isUtc() ? "UTC" : "local");
}

zoneButton.addEventListener("click", () => setUtc(!isUtc()));
addEventListener("zone", () => {
  showZone();
  close(); // everything that is shown has times
  wanted = null;
  route();
});
showZone();

const themeButton = document.getElementById("theme");

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "auto";
  setText(themeButton.lastChild, theme);
  dispatchEvent(new Event("repaint"));
}

themeButton.addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("logboom-theme", next);
  } catch {
    // kept until the page is closed
  }
  showTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
showTheme();

addEventListener("hashchange", route);
route();
