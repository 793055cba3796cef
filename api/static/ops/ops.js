// What a page of the dashboard does besides being read: stays live, listens to keys, remembers choices.
"use strict";

const root = document.documentElement;
const remember = (name, value) => (document.cookie = `ops_${name}=${value}; path=/ops; max-age=31536000; samesite=strict`);

// --- Live: a tick has the page fetched again and its #live morphed into what it is now.
const pulse = document.getElementById("pulse");
// The answer to a form is not fetched anew.
const follows = document.querySelector("#live[hx-get]") !== null;
let paused = false, missed = false, lost = "", asOf = pulse.dataset.asOf;

// Whether the page follows what happens, and of when it is.
function tell() {
  pulse.dataset.state = paused || missed ? "paused" : lost ? "lost" : "live";
  pulse.textContent = `${paused ? "paused" : lost || (missed ? "waits for you" : "live")} · ${asOf} UTC`;
  pulse.setAttribute("aria-pressed", paused);
  // Read aloud when it changes; the time, which always does, is not.
  document.getElementById("lost").textContent = lost;
}

function busy() {
  const field = document.activeElement;
  const typing = field && field.matches("#live input:not([type=checkbox]), #live select, #live textarea");
  return document.hidden || typing || document.querySelector("#live :popover-open") !== null;
}

function beat() {
  if (paused) return;
  missed = busy();
  if (missed) tell();
  else htmx.trigger(document.body, "tick");
}

function miss(why) {
  lost = why;
  tell();
}

// A tab that is not seen holds no connection: a browser has but a few for a host.
let stream;

function listen() {
  stream?.close();
  if (document.hidden) return;
  stream = new EventSource("/ops/stream");
  stream.onopen = () => miss("");
  stream.addEventListener("tick", beat);
  stream.addEventListener("blind", (event) => miss(event.data));
  stream.onerror = ({ target }) => {
    miss("disconnected");
    if (target.readyState !== EventSource.CLOSED) return;
    beat(); // whose answer, where its user is signed out by now, is the page to sign in at
    setTimeout(listen, 5000);
  };
}

function pause() {
  paused = !paused;
  beat();
  tell();
}

// What was not shown meanwhile is shown as soon as its user is done.
const catchUp = () => setTimeout(() => missed && beat());
["visibilitychange", "focusout", "toggle"].forEach((event) => document.addEventListener(event, catchUp, true));
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, serverResponse } = event.detail;
  if (xhr.status !== 200) miss(`not refreshed: ${xhr.status}`);
  // Signed out meanwhile: the answer is the page to sign in at.
  else if (!serverResponse.includes('id="live"')) location.reload();
  // A form was opened while the answer was under way: a morph would undo what is being filled in.
  else if (busy()) { event.detail.shouldSwap = false; missed = true; tell(); }
});
document.addEventListener("htmx:afterSwap", (event) => {
  asOf = new Date(event.detail.xhr.getResponseHeader("Date")).toISOString().slice(11, 19);
  miss("");
});
document.addEventListener("htmx:sendError", () => miss("disconnected"));

const writtenChoice = (list) => [...list.options].find((option) => option.defaultSelected) ?? list.options[0];

// What its user is doing with the page survives a morph: charts are drawn, not written; ticks and folds are theirs.
Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) => {
  if (!(old instanceof Element)) return true;
  if (old.matches(".tip")) return false;
  if (old.matches(".plot")) {
    if (old.dataset.plot !== fresh.dataset.plot) old.dataset.plot = fresh.dataset.plot;
    old.setAttribute("aria-label", fresh.getAttribute("aria-label"));
    return false;
  }
  if (old.matches("input[type=checkbox], select:not([data-submits])")) return false;
  if (old.matches("input, textarea") && old.value !== old.defaultValue) return false;
  if (old.matches("select") && old.selectedOptions[0] !== writtenChoice(old)) return false;
  if (old.matches("details") && old.open) fresh.setAttribute("open", "");
  if (old.hasAttribute("data-at")) fresh.setAttribute("data-at", "");
  return true;
};
document.addEventListener("htmx:afterSettle", () => { charts.redraw(); counted(); });
addEventListener("resize", () => charts.redraw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.recolour());

// --- Choices
const CHOICES = { theme: ["auto", "light", "dark"], times: ["relative", "utc"], pictures: ["blurred", "shown"] };

function turn(name) {
  const values = CHOICES[name];
  const value = values[(values.indexOf(root.dataset[name]) + 1) % values.length];
  root.dataset[name] = value;
  document.querySelectorAll(`[data-shows=${name}]`).forEach((each) => (each.textContent = value));
  if (name !== "pictures") remember(name, value);
  if (name === "theme") charts.recolour();
}

// --- Rows: the one at which the keys are, those that are selected
const rows = () => [...document.querySelectorAll("#live tbody tr")];
const way = (row) => row?.dataset.href ?? row?.querySelector("a[href]")?.href;

function go(step) {
  const all = rows(), at = all.findIndex((row) => row.hasAttribute("data-at"));
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  if (!next) return;
  all.forEach((row) => row.removeAttribute("data-at"));
  next.setAttribute("data-at", "");
  next.querySelector("a[href]")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function counted() {
  const boxes = [...document.querySelectorAll("input[data-row]")], chosen = boxes.filter((box) => box.checked);
  document.querySelectorAll("[data-chosen]").forEach((each) => (each.textContent = chosen.length));
  const all = document.querySelector("input[data-all]");
  if (all) { all.checked = boxes.length > 0 && chosen.length === boxes.length; all.indeterminate = chosen.length > 0 && !all.checked; }
}

let last = null;
document.addEventListener("click", (event) => {
  const box = event.target.closest("input[data-row], input[data-all]");
  if (box && box.dataset.all !== undefined) document.querySelectorAll("input[data-row]").forEach((each) => (each.checked = box.checked));
  if (box && box.dataset.row !== undefined) {
    const all = [...document.querySelectorAll("input[data-row]")];
    if (event.shiftKey && last) {
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      all.slice(from, to + 1).forEach((each) => (each.checked = box.checked));
    }
    last = box;
  }
  if (box) counted();
  const toggle = event.target.closest("[data-toggles]");
  if (toggle) turn(toggle.dataset.toggles);
  const copied = event.target.closest("[data-copies]");
  if (copied) navigator.clipboard.writeText(document.getElementById(copied.dataset.copies).textContent).then(() => (copied.textContent = "copied"));
});
// A choice in a list of filters is the wish to see it; but on the keyboard, where each step through a list is one.
document.addEventListener("change", (event) => { if (event.target.matches("[data-submits]:not(:focus-visible)")) event.target.form.requestSubmit(); });

// --- Keys
const PLACES = { o: "", j: "jobs", b: "batches", g: "gallery", p: "providers", w: "workers", k: "keys", m: "money", h: "webhooks", u: "operations", a: "audit" };
const at = () => document.querySelector("#live tbody tr[data-at]");
const search = () => document.querySelector("[data-search]");
const KEYS = {
  "/": () => (search() ? search().focus() : location.assign("/ops/jobs#search")),
  "?": () => document.getElementById("help").togglePopover(),
  j: () => go(1), k: () => go(-1),
  Enter: () => way(at()) && location.assign(way(at())),
  x: () => { const box = at()?.querySelector("input[data-row]"); if (box) { box.checked = !box.checked; counted(); } },
  b: () => turn("pictures"), t: () => turn("theme"), u: () => turn("times"), p: () => pulse.click(),
};
let going = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) { if (event.key === "Escape") event.target.blur(); return; }
  if (event.key === "Enter" && event.target.matches("a, button, summary, .plot")) return;
  const place = Date.now() - going < 3000 ? PLACES[event.key] : undefined;
  going = event.key === "g" && place === undefined ? Date.now() : 0;
  if (place !== undefined) location.assign(`/ops/${place}`);
  else if (event.key !== "g" && KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
});

pulse.addEventListener("click", pause);
// On a phone the sections are a strip, in which this one may be out of sight.
document.querySelector("nav [aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "center" });
if (location.hash === "#search") search()?.focus();
charts.redraw();
counted();
if (follows) {
  listen();
  document.addEventListener("visibilitychange", listen);
}
