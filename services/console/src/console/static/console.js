// The open page keeps up: the server says that something changed, the page reads itself again and mends what differs.
"use strict";

const words = JSON.parse(document.body.dataset.words);
const say = (key, given) => words[key].replace(/\{(\w+)\}/g, (all, name) => given[name] ?? all);
let ahead = Date.parse(document.body.dataset.now) - Date.now(); // the server's clock may travel
const now = () => Date.now() + ahead;

// Spans and moments, written as the server writes them.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
function span(seconds, most = 2) {
  seconds = Math.max(0, Math.round(seconds));
  const first = Math.max(0, UNITS.findIndex(([, size]) => seconds >= size));
  const parts = [];
  for (const [unit, size] of seconds ? UNITS.slice(first, first + most) : [["s", 1]]) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count || !parts.length) parts.push(`${count} ${unit}`);
  }
  return parts.join(" ");
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const element of document.querySelectorAll("[data-ago]")) {
    const gone = (now() - Date.parse(element.dateTime)) / 1000;
    write(element, Math.abs(gone) < 10 ? words["just_now"] : say(gone > 0 ? "ago" : "ahead", { span: span(Math.abs(gone), 1) }));
  }
  for (const element of document.querySelectorAll("[data-due]")) {
    const due = Date.parse(element.dateTime), start = Date.parse(element.dataset.start), left = (due - now()) / 1000;
    write(element, say(left > 0 ? "clock.left" : "clock.over", { span: span(Math.abs(left)) }));
    const share = due > start ? Math.min(1, Math.max(0, (now() - start) / (due - start))) : 0;
    const item = element.closest("li");
    item.querySelector(".gone")?.setAttribute("width", (100 * share).toFixed(2));
    if (item.parentElement.classList.contains("clocks")) item.className = left <= 0 ? "breached" : share >= 0.75 ? "due_soon" : item.className;
  }
}

// Mending: elements with a data-key are the same wherever they stand; everything else is compared by its place.
function mend(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const keyed = new Map([...old.children].filter((child) => child.dataset?.key).map((child) => [child.dataset.key, child]));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const key = child.dataset?.key;
    const same = key ? keyed.get(key) : alike(place, child) ? place : null;
    if (same) {
      if (same === place) place = place.nextSibling;
      else old.insertBefore(same, place);
      mend(same, child);
    } else {
      const added = document.importNode(child, true);
      if (key && added.classList) added.classList.add("fresh");
      old.insertBefore(added, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function alike(node, other) {
  return node && node.nodeType === other.nodeType && node.nodeName === other.nodeName && !node.dataset?.key;
}

let reading = false, stale = false, readAt = 0, toldAt = 0;

async function read() {
  if (reading || document.hidden) {
    stale = true;
    return;
  }
  reading = true;
  stale = false;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (answer.redirected) location.reload();
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The server is away; the stream says when it is back.
  } finally {
    reading = false;
    readAt = Date.now();
    if (stale) soon();
  }
}

function show(fresh) {
  const before = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.textContent]));
  ahead = Date.parse(fresh.body.dataset.now) - Date.now();
  mend(document.querySelector("main"), fresh.querySelector("main"));
  mend(document.querySelector("footer"), fresh.querySelector("footer"));
  document.title = fresh.title;
  tick();
  const changed = [...document.querySelectorAll("[data-part]")].filter((part) => before.get(part.dataset.part) !== part.textContent);
  if (changed.length && Date.now() - toldAt > 15000) { // a screen reader is told now and then, not at every event
    toldAt = Date.now();
    write(document.getElementById("announce"), say("live.changed", { what: changed.map((part) => part.dataset.part).join(", ") }));
  }
}

let waiting = 0;
function soon() {
  if (waiting) return;
  waiting = setTimeout(() => {
    waiting = 0;
    read();
  }, Math.max(60, readAt + 700 - Date.now()));
}

function follow(address) {
  const pulse = document.getElementById("pulse");
  const shown = (on) => {
    pulse.hidden = false;
    pulse.classList.toggle("on", on);
    write(pulse.lastElementChild, words[on ? "live.on" : "live.off"]);
  };
  const stream = new EventSource(address);
  let opened = false;
  stream.onopen = () => {
    shown(true);
    if (opened) soon();
    opened = true;
  };
  stream.onerror = () => {
    shown(false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000); // signed out, or refused
  };
  stream.onmessage = soon;
  stream.addEventListener("reset", soon);
  stream.addEventListener("clock", (event) => {
    const moved = Date.parse(JSON.parse(event.data).now) - Date.now() - ahead;
    ahead += moved;
    tick();
    if (Math.abs(moved) > 5000) soon();
  });
  document.addEventListener("visibilitychange", () => stale && !document.hidden && soon());
  addEventListener("pagehide", () => stream.close());
}

tick();
setInterval(tick, 1000);
if (document.body.dataset.live) follow(document.body.dataset.live);
