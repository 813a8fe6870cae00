"use strict";
// Data, text and elements. Values come from outside: they reach the page as text nodes only.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const MISSING = "–", NO_BREAK = "\u00a0";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Without the characters that no page may hold, and isolated: a name cannot turn the text around it.
const FORBIDDEN = /[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g;
const plain = (text) => String(text).replace(FORBIDDEN, " ");
const name = (text) => el("bdi", {}, plain(text));

// Numbers, as the other pages write them.
const whole = (value) => Math.round(value).toLocaleString("en-US");
function amount(value, grouped = true) {
  if (value === null || Number.isNaN(value)) return MISSING;
  const size = Math.abs(value);
  if (size >= 1000) return grouped ? whole(value) : String(Math.round(value));
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2)
    : size === 0 ? "0" : String(Number(value.toPrecision(2)));
  return (text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text).replace("-", "\u2212");
}
function percent(value, places = 1) {
  return Number.isNaN(value) ? MISSING : `${(100 * value).toFixed(places)}${NO_BREAK}%`;
}
function points(value) { // a difference between two probabilities
  if (Number.isNaN(value)) return MISSING;
  const text = (100 * Math.abs(value)).toFixed(1);
  return text === "0.0" ? "0.0" : (value > 0 ? "+" : "\u2212") + text;
}

/** Read what python_ml.report.columnar.packed wrote. */
async function unpack(id) {
  const text = atob($(id).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  $(id).remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const pack = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const kinds = { Uint8Array, Uint16Array, Uint32Array, Float32Array };
  for (const [key, [kind, offset, size]] of Object.entries(pack.arrays)) {
    pack.arrays[key] = new kinds[kind](buffer, 4 + length + offset, size);
  }
  return pack;
}

let data, details; // the population, and a promise of what is shown of single customers

/** The value of a numeric column in row i; NaN where there is none. */
const value = (column, i) => (column.kind === "probability" ? column.array[i] / 1e6 : column.array[i]);
/** The text of a category in row i; null where there is none. */
const category = (column, i) => (column.array[i] ? column.values[column.array[i] - 1] : null);
const isCategory = (column) => column.kind === "category" || column.kind === "date";
const column = (key) => data.columns.find((one) => one.name === key);
const probability = (i) => data.arrays.churn_probability[i] / 1e6;

function cell(one, i) {
  if (one.name === "risk_band") return band(category(one, i));
  if (isCategory(one)) return category(one, i) === null ? MISSING : name(category(one, i));
  const number = value(one, i);
  if (one.kind === "probability" || one.kind === "share") return percent(number);
  if (one.kind === "change") return points(number);
  return amount(number);
}

const bandKind = (text) => (["high", "medium", "low"].includes(text) ? text : "other");
function band(text) {
  return text === null ? MISSING : el("span", { class: "band" }, el("i", { class: bandKind(text) }), name(text));
}

function bar(share) {
  const width = Math.max(0, Math.min(1, share)) * 64;
  return svg("svg", { class: "share", viewBox: "0 0 64 10", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 64, height: 10 }), svg("rect", { width: width.toFixed(1), height: 10 }));
}

// Search: keys that begin with the text come first, then those that hold it; the riskier first.
const MATCHES = 12;
function found(text) {
  const wanted = text.trim().toLowerCase(), starts = [], holds = [];
  if (!wanted) return [];
  for (let i = 0; i < data.lower.length && starts.length < MATCHES; i++) {
    const at = data.lower[i].indexOf(wanted);
    if (at === 0) (data.lower[i].length === wanted.length ? starts.unshift(i) : starts.push(i));
    else if (at > 0 && holds.length < MATCHES) holds.push(i);
  }
  const exact = data.places.get(text.trim());
  const all = [...(exact === undefined ? [] : [exact]), ...starts, ...holds];
  return [...new Set(all)].slice(0, MATCHES);
}

function startSearch() {
  const input = $("search"), list = $("matches");
  let matches = [], chosen = -1;
  const close = () => {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (place) => {
    chosen = place;
    [...list.children].forEach((item, i) => item.setAttribute("aria-selected", String(i === place)));
    if (place < 0) return;
    input.setAttribute("aria-activedescendant", `match-${place}`);
    list.children[place].scrollIntoView({ block: "nearest" });
  };
  const open = (i) => {
    input.value = plain(data.keys[i]);
    close();
    goTo(i);
  };
  const update = () => {
    matches = found(input.value);
    list.replaceChildren(...matches.map((i, place) => el("li", {
      id: `match-${place}`, role: "option", "aria-selected": "false",
      onmousedown: (event) => { event.preventDefault(); open(i); },
    }, name(data.keys[i]), el("span", {}, percent(probability(i))))));
    const text = input.value.trim();
    if (text && !matches.length) list.append(el("li", { class: "none", role: "option", "aria-disabled": "true" }, "No such customer"));
    $("found").textContent = text ? (matches.length ? `${matches.length} customers found` : "No such customer") : "";
    list.hidden = !text;
    input.setAttribute("aria-expanded", String(!!text));
    choose(matches.length ? 0 : -1);
  };
  input.addEventListener("input", update);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) update();
      else if (matches.length) choose((chosen + (event.key === "ArrowDown" ? 1 : matches.length - 1)) % matches.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (list.hidden) update();
      if (chosen >= 0) open(matches[chosen]);
    } else if (event.key === "Escape") {
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

// The customer that is open is in the address, so that "back" works and a link can be kept.
const address = (i) => `#customer=${encodeURIComponent(data.keys[i])}`;
function goTo(i) {
  if (location.hash === address(i)) showCustomer(i);
  else location.hash = address(i);
}
function followAddress() {
  const match = /^#customer=(.*)$/s.exec(location.hash);
  if (!match) {
    if (!["#population", "#main"].includes(location.hash)) closeCustomer();
    return;
  }
  let key = null;
  try {
    key = decodeURIComponent(match[1]);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  if (data.places.has(key)) showCustomer(data.places.get(key));
  else closeCustomer();
}

async function start() {
  if (typeof DecompressionStream === "undefined") throw new Error("This browser is too old for the page: it cannot decompress data.");
  data = await unpack("population-data");
  for (const one of data.columns) one.array = data.arrays[one.name];
  data.lower = data.keys.map((key) => key.toLowerCase());
  data.places = new Map(data.keys.map((key, i) => [key, i]));
  startPopulation();
  startSearch();
  window.addEventListener("hashchange", followAddress);
  document.documentElement.dataset.ready = Math.round(performance.now());
  // After the first paint; whoever opens a customer before waits for it.
  details = new Promise((resolve) => setTimeout(resolve, 0)).then(() => unpack("details-data"));
  details.catch(fail);
  followAddress();
}
function fail(error) {
  $("failure").textContent = String(error.message ?? error);
  $("failure").hidden = false;
  throw error;
}
document.addEventListener("DOMContentLoaded", () => start().catch(fail));
