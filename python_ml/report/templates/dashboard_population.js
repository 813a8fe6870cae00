// The table of customers: filters, segments, order, pages, and its rows as CSV.

const state = { sort: "churn_probability", down: true, page: 0, size: 25, chosen: new Map(), low: 0, high: 1, rows: null };
const orders = new Map();

/** All rows in the order of a column. Ties keep the riskier customer first, missing values stay last. */
function ordered(key, down) {
  if (orders.has(`${down} ${key}`)) return orders.get(`${down} ${key}`);
  let rows = data.arrays.key_order;
  if (key === "key") {
    if (down) rows = rows.slice().reverse();
  } else {
    const one = column(key), sorted = Float64Array.from(one.array), sign = down ? -1 : 1;
    if (isCategory(one)) {
      // By text, except for the bands and the campaign, whose values are in order.
      const texts = one.segment || one.kind === "date" || one.name === "suggested_action" ? [...one.values].sort() : one.values;
      const ranks = [NaN, ...one.values.map((text) => texts.indexOf(text))];
      for (let i = 0; i < sorted.length; i++) sorted[i] = ranks[one.array[i]];
    }
    for (let i = 0; i < sorted.length; i++) sorted[i] = Number.isNaN(sorted[i]) ? Infinity : sign * sorted[i];
    rows = Uint32Array.from(sorted, (_, i) => i).sort((a, b) => (sorted[a] < sorted[b] ? -1 : sorted[a] > sorted[b] ? 1 : a - b));
  }
  orders.set(`${down} ${key}`, rows);
  return rows;
}

function filtered() {
  const filters = [...state.chosen].map(([key, codes]) => {
    const allowed = new Uint8Array(column(key).values.length + 1);
    for (const code of codes) allowed[code] = 1;
    return [column(key).array, allowed];
  });
  const low = 1e6 * state.low - 0.5, high = 1e6 * state.high + 0.5, chances = data.arrays.churn_probability;
  return ordered(state.sort, state.down).filter((i) => {
    if (chances[i] < low || chances[i] > high) return false;
    for (const [codes, allowed] of filters) if (!allowed[codes[i]]) return false;
    return true;
  });
}

function update() {
  state.page = 0;
  state.rows = filtered();
  showFilters();
  showFigures();
  showSegments();
  showRows();
}

// Filters ----------------------------------------------------------------------------------------------------

const categories = () => data.columns.filter((one) => one.kind === "category");

function toggle(key, code, on) {
  const codes = new Set(state.chosen.get(key));
  if (on) codes.add(code);
  else codes.delete(code);
  if (codes.size) state.chosen.set(key, codes);
  else state.chosen.delete(key);
  update();
}

function startFilters() {
  const menus = categories().map((one) => {
    const counts = new Uint32Array(one.values.length + 1);
    for (const code of one.array) counts[code]++;
    const codes = [...counts.keys()].slice(1).concat(0).filter((code) => counts[code]);
    return el("details", { "data-filter": one.name },
      el("summary", {}, el("span")),
      el("div", { class: "choices" }, ...codes.map((code) => el("label", {},
        el("input", { type: "checkbox", value: code, onchange: (event) => toggle(one.name, code, event.target.checked) }),
        code ? name(one.values[code - 1]) : el("span", {}, "(none)"), el("span", { class: "small" }, whole(counts[code]))))));
  });
  const limit = (key, text) => el("label", {}, el("span", {}, text), el("input", {
    type: "number", min: 0, max: 100, step: "any", id: `probability-${key}`,
    oninput: (event) => {
      const number = event.target.value === "" ? NaN : event.target.valueAsNumber / 100;
      state[key] = Number.isNaN(number) ? (key === "low" ? 0 : 1) : number;
      update();
    },
  }), "%");
  const chance = el("details", { "data-filter": "churn_probability" }, el("summary", {}, el("span")),
    el("div", { class: "choices" }, limit("low", "from"), limit("high", "to")));
  const clear = el("button", { type: "button", id: "clear", onclick: () => {
    state.chosen.clear();
    Object.assign(state, { low: 0, high: 1 });
    for (const input of $("filters").querySelectorAll("input[type=number]")) input.value = "";
    update();
  } }, "Clear filters");
  $("filters").append(chance, ...menus, clear);
  // One menu at a time; Escape and a click elsewhere close it.
  $("filters").addEventListener("toggle", (event) => {
    if (event.target.open) for (const menu of $("filters").querySelectorAll("details[open]")) if (menu !== event.target) menu.open = false;
  }, true);
  $("filters").addEventListener("keydown", (event) => {
    const menu = event.target.closest("details[open]");
    if (event.key !== "Escape" || !menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    for (const menu of $("filters").querySelectorAll("details[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}

function showFilters() {
  for (const menu of $("filters").querySelectorAll("details")) {
    const key = menu.dataset.filter, chosen = state.chosen.get(key), one = column(key);
    let text = "all";
    if (key === "churn_probability") {
      if (state.low > 0 || state.high < 1) text = `${amount(100 * state.low)} to ${amount(100 * state.high)} %`;
    } else {
      for (const box of menu.querySelectorAll("input")) box.checked = !!chosen && chosen.has(Number(box.value));
      if (chosen) text = [...chosen].map((code) => (code ? one.values[code - 1] : "(none)")).join(", ");
    }
    menu.classList.toggle("active", text !== "all");
    menu.querySelector("summary span").replaceChildren(name(sentence(one.title)), ": ", name(text.length > 60 ? text.slice(0, 59) + "…" : text));
  }
  $("clear").disabled = !state.chosen.size && state.low <= 0 && state.high >= 1;
}
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// Figures and segments ---------------------------------------------------------------------------------------

function summary(rows) {
  const bands = column("risk_band"), high = bands.values.indexOf("high") + 1, worth = column("value_at_risk");
  const listed = column("priority");
  const sums = { n: 0, expected: 0, high: 0, listed: 0, worth: 0 };
  for (const i of rows) addTo(sums, i, bands, high, worth, listed);
  return sums;
}
function addTo(sums, i, bands, high, worth, listed) {
  sums.n++;
  sums.expected += data.arrays.churn_probability[i] / 1e6;
  if (high && bands.array[i] === high) sums.high++;
  if (listed && !Number.isNaN(listed.array[i])) sums.listed++;
  if (worth && !Number.isNaN(worth.array[i])) sums.worth += worth.array[i];
}

function showFigures() {
  const sums = summary(state.rows), all = data.keys.length;
  const figure = (title, text, note) => el("div", {}, el("dt", {}, title), el("dd", {}, text), el("dd", { class: "small" }, note));
  $("figures").replaceChildren(
    figure("Customers", whole(sums.n), sums.n === all ? "all that were scored" : `of ${whole(all)}`),
    figure("Expected to churn", amount(sums.expected), sums.n ? `${percent(sums.expected / sums.n)} of them` : MISSING),
    figure("High risk", whole(sums.high), sums.n ? `${percent(sums.high / sums.n)} of them` : MISSING),
    ...(column("priority") ? [figure("On the action list", whole(sums.listed),
      column("value_at_risk") ? `value at risk ${amount(sums.worth)}` : "to contact or to hold out")] : []),
  );
}

function showSegments() {
  const one = column($("segment-by").value), bands = column("risk_band"), high = bands.values.indexOf("high") + 1;
  const worth = column("value_at_risk"), listed = column("priority");
  const sums = Array.from({ length: one.values.length + 1 }, () => ({ n: 0, expected: 0, high: 0, listed: 0, worth: 0 }));
  for (const i of state.rows) addTo(sums[one.array[i]], i, bands, high, worth, listed);
  const codes = [...sums.keys()].slice(1).concat(0).filter((code) => sums[code].n);
  const head = ["Customers", "Share", "Mean probability", "Expected to churn", "High risk", ...(listed ? ["On the list", "Value at risk"] : [])];
  const total = state.rows.length;
  $("segments").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, name(sentence(one.title))),
      ...head.map((title) => el("th", { scope: "col", class: "number" }, title)))),
    el("tbody", {}, ...codes.map((code) => {
      const { n, expected, high: risky, listed: on, worth: amounts } = sums[code];
      const chosen = state.chosen.get(one.name)?.has(code) ?? false;
      return el("tr", {},
        el("th", { scope: "row" }, el("button", { type: "button", class: "link", "aria-pressed": String(chosen),
          title: chosen ? "Remove from the filter" : "Show these customers only",
          onclick: () => { toggle(one.name, code, !chosen); $("segments").querySelector(`[data-code="${code}"]`)?.focus(); }, "data-code": code },
        code ? name(one.values[code - 1]) : "(none)")),
        el("td", { class: "number" }, whole(n)), el("td", { class: "number" }, percent(n / total)),
        el("td", { class: "number" }, percent(expected / n), bar(expected / n)), el("td", { class: "number" }, amount(expected)),
        el("td", { class: "number" }, percent(risky / n)),
        ...(listed ? [el("td", { class: "number" }, whole(on)), el("td", { class: "number" }, amount(amounts))] : []));
    })));
}

// Rows -------------------------------------------------------------------------------------------------------

const headings = () => [{ name: "key", title: data.entity, kind: "key" }, ...data.columns.filter((one) => !one.hidden)];
const isNumber = (one) => !isCategory(one) && one.kind !== "key";

function sortBy(one) {
  // The first click brings the largest numbers, and the first texts, to the top.
  state.down = state.sort === one.name ? !state.down : isNumber(one) && one.kind !== "rank";
  state.sort = one.name;
  state.page = 0;
  state.rows = filtered();
  showRows();
  $("rows").querySelector('th[aria-sort] button').focus();
}

function showRows() {
  const pages = Math.max(1, Math.ceil(state.rows.length / state.size));
  state.page = Math.min(state.page, pages - 1);
  const first = state.page * state.size, rows = state.rows.subarray(first, first + state.size);
  $("page-text").textContent = rows.length
    ? `${whole(first + 1)} to ${whole(first + rows.length)} of ${whole(state.rows.length)}` : "No customer fits the filters.";
  $("previous-page").disabled = state.page === 0;
  $("next-page").disabled = state.page >= pages - 1;
  $("download").disabled = !state.rows.length;
  const columns = headings();
  $("rows").replaceChildren(
    el("thead", {}, el("tr", {}, ...columns.map((one) => el("th", {
      scope: "col", class: isNumber(one) ? "number" : null, title: one.note ?? null,
      "aria-sort": state.sort === one.name ? (state.down ? "descending" : "ascending") : null,
    }, el("button", { type: "button", class: "sort", "data-sort": one.name, onclick: () => sortBy(one) },
      name(one.kind === "key" ? one.title : sentence(one.title)), state.sort === one.name ? (state.down ? " ▼" : " ▲") : ""))))),
    el("tbody", {}, ...Array.from(rows, (i) => el("tr", {}, ...columns.map((one) => (one.kind === "key"
      ? el("th", { scope: "row" }, el("a", { href: address(i) }, name(data.keys[i])))
      : el("td", { class: isNumber(one) ? "number" : null }, cell(one, i),
        one.kind === "probability" ? bar(probability(i)) : null)))))));
}

// CSV: as python_ml.files.write_csv writes it. A text that a spreadsheet would take for a formula gets an apostrophe.

function quoted(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

async function csv(rows) {
  const more = await details, names = [data.entity, ...(data.as_of ? ["feature_timestamp"] : []), "model_version"];
  const ranks = Array.from({ length: more.ranks }, (_, rank) => rank);
  names.push(...data.columns.map((one) => one.label ?? one.name), ...ranks.map((rank) => `reason_${rank + 1}`));
  const n = data.keys.length, lines = [names.map(quoted).join(",")];
  for (const i of rows) {
    const cells = [quoted(data.keys[i]), ...(data.as_of ? [quoted(data.as_of)] : []), String(data.version)];
    for (const one of data.columns) {
      const number = isCategory(one) ? NaN : value(one, i);
      if (isCategory(one)) cells.push(one.array[i] ? quoted(category(one, i)) : "");
      else cells.push(Number.isNaN(number) ? "" : String(Number(number.toPrecision(7))));
    }
    for (const rank of ranks) {
      const code = more.arrays.reasons[rank * n + i];
      cells.push(code ? quoted(more.sentences[code - 1]) : "");
    }
    lines.push(cells.join(","));
  }
  return lines.join("\n") + "\n";
}

async function download() {
  const url = URL.createObjectURL(new Blob([await csv(state.rows)], { type: "text/csv;charset=utf-8" }));
  el("a", { href: url, download: "customers.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function startPopulation() {
  startFilters();
  $("segment-by").append(...categories().map((one) => el("option", { value: one.name }, plain(sentence(one.title)))));
  $("segment-by").value = "risk_band";
  $("segment-by").addEventListener("change", showSegments);
  $("page-size").addEventListener("change", (event) => {
    state.size = Number(event.target.value);
    state.page = 0;
    showRows();
  });
  for (const [id, step] of [["previous-page", -1], ["next-page", 1]]) {
    $(id).addEventListener("click", () => {
      state.page += step;
      showRows();
    });
  }
  $("download").addEventListener("click", () => download().catch(fail));
  update();
}
