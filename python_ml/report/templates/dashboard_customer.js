// One customer: suggested action, reasons, probability over time, recent values, what would lower the risk.

let shown = -1;

const section = (title, ...children) => el("div", {}, el("h3", {}, title), ...children);
const missing = (...text) => el("p", { class: "missing" }, ...text);
const code = (text) => el("code", {}, text);
const fact = (title, ...content) => el("div", {}, el("dt", {}, title), el("dd", {}, ...content));

function closeCustomer() {
  shown = -1;
  $("customer").hidden = true;
}

async function showCustomer(i) {
  shown = i;
  const more = await details;
  if (shown !== i) return; // another one was opened in the meantime
  const place = state.rows.indexOf(i), near = (step) => (place < 0 ? undefined : state.rows[place + step]);
  const step = (id, text, by) => el("button", { type: "button", id, disabled: near(by) === undefined, onclick: () => goTo(near(by)) }, text);
  const rank = data.columns[0].array.findIndex((one) => one === data.columns[0].array[i]) + 1;
  $("customer").replaceChildren(
    el("div", { class: "top" }, el("h2", { id: "customer-key" }, name(data.keys[i])),
      step("previous-customer", "Previous", -1), step("next-customer", "Next", 1),
      el("button", { type: "button", id: "close-customer", onclick: () => {
        history.replaceState(null, "", location.pathname + location.search);
        closeCustomer();
        $("search").focus();
      } }, "Close")),
    el("p", { class: "lead" }, `${percent(probability(i))} probability of churning: `, bandOf(i), "."),
    el("p", { class: "sub" }, `${data.as_of ? `As of ${data.as_of_text}. ` : ""}Rank ${whole(rank)} of ${whole(data.keys.length)} by probability.`),
    el("div", { class: "columns" },
      el("div", {}, actionOf(i), reasonsOf(i, more), lowerRisk(i, more)),
      el("div", {}, ...(data.as_of ? [section("Probability over time", el("div", { id: "over-time" }))] : []), recentOf(i, more))));
  $("customer").hidden = false;
  if (data.as_of) drawHistory(i, more);
  $("customer").focus({ preventScroll: true });
  $("customer").scrollIntoView({ block: "start" });
}
function bandOf(i) {
  const text = category(column("risk_band"), i);
  return text === null ? "no risk band" : el("span", { class: "band" }, el("i", { class: bandKind(text) }), name(`${text} risk`));
}

function actionOf(i) {
  const title = "Suggested action", campaign = column("campaign");
  if (!campaign) return section(title, missing("There is no action list for these scores. Run ", code("retention act"), "."));
  const text = (key) => (column(key) ? cell(column(key), i) : MISSING);
  const listed = category(campaign, i);
  if (listed === "not listed" || listed === null) {
    return section(title, missing("Not on the action list: not worth a contact, beyond the budget, or contacted recently."));
  }
  const held = listed === "hold out";
  return section(title, el("dl", { class: "facts" },
    fact("Action", held ? "Do not contact: held out at random, to measure the effect of the campaign" : name(category(column("suggested_action"), i) ?? MISSING)),
    fact("Priority", text("priority")),
    ...["customer_value", "value_at_risk", "uplift", "expected_profit", "expires_at"].filter(column)
      .map((key) => fact(key === "expected_profit" && held ? "Profit forgone" : column(key).title, text(key)))));
}

function reasonsOf(i, more) {
  const n = data.keys.length, texts = [];
  for (let rank = 0; rank < more.ranks; rank++) {
    const place = more.arrays.reasons[rank * n + i];
    if (place) texts.push(more.sentences[place - 1]);
  }
  return section("Reasons", texts.length ? el("ol", { class: "reasons" }, ...texts.map((text) => el("li", {}, name(text))))
    : missing(more.ranks ? "No feature of this customer is unusual." : "There are no reasons for these scores."));
}

function lowerRisk(i, more) {
  const title = "What would lower the risk", ways = more.ways[i];
  const page = more.pages[i] ? el("p", {}, el("a", { href: more.pages[i] }, "Page with all contributions and similar customers")) : null;
  if (ways === undefined) {
    const count = Object.keys(more.ways).length;
    return section(title, missing(count
      ? `Searched for ${count} customers only: the first of the action list, or those most at risk. For this one, run `
      : "Not searched for yet: ", code(count ? "retention explain ID" : "retention dashboard"),
    count ? "." : " does it for the first customers of the action list."), page);
  }
  if (ways === null) return section(title, missing("The customer is in the lowest risk band."), page);
  if (!ways.length) return section(title, missing("No change lowers the risk without changing the attributes or the past of the customer."), page);
  return section(title, ...ways.flatMap((way) => [
    el("h4", {}, name(way.title), ` ${percent(probability(i))} → ${percent(way.probability)}${way.reached ? "" : ", still in this risk band"}`),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...["Feature", "Now", "Instead"].map((text) => el("th", { scope: "col" }, text)))),
      el("tbody", {}, ...way.changes.map((change) => el("tr", {}, el("th", { scope: "row" }, name(sentence(change.subject))),
        el("td", {}, name(change.old)), el("td", {}, name(change.new))))))),
    way.more ? el("p", { class: "small" }, `${way.more} more ${way.more === 1 ? "feature changes" : "features change"} along.`) : null,
  ].filter((part) => part !== null)),
  el("p", { class: "reading" }, "The smallest changes, among values that customers of the training set had together, that would move the model's estimate to a lower risk band. They describe the model: only an experiment shows whether an offer causes such a change."), page);
}

// Probability over time ----------------------------------------------------------------------------------------

const NEVER = 65535;
function drawHistory(i, more) {
  const n = data.keys.length;
  const scored = more.scorings.map((one, t) => ({ ...one, t: Date.parse(`${one.time}Z`), p: more.arrays.history[t * n + i], arm: more.arrays.arms[t * n + i] }))
    .filter((one) => one.p !== NEVER).map((one) => ({ ...one, p: one.p / 10000 }));
  const target = $("over-time"), width = Math.max(280, target.clientWidth), height = 230;
  const left = 48, right = 14, top = 26, bottom = 30;
  const first = scored[0].t, last = scored.at(-1).t;
  const most = Math.max(...scored.map((one) => one.p), 0.01);
  const step = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((size) => most / size <= 4) ?? 0.25, limit = Math.ceil(most / step - 1e-9) * step;
  const x = (time) => (last === first ? (left + width - right) / 2 : left + ((time - first) / (last - first)) * (width - left - right));
  const y = (p) => height - bottom - (p / limit) * (height - top - bottom);
  const plot = svg("svg", { class: "plot", width, height, role: "img", "aria-label": `Probability at ${scored.length} feature times; the table below has the values.` });
  for (let p = 0; p <= limit + 1e-9; p += step) {
    plot.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: y(p), y2: y(p) }),
      svg("text", { x: left - 8, y: y(p) + 4, "text-anchor": "end" }, percent(p, step < 0.01 ? 1 : 0)));
  }
  const day = (one) => one.text.replaceAll(NO_BREAK, " ").replace(/([A-Z][a-z]{2})[a-z]+/, "$1");
  plot.append(svg("text", { x: last === first ? x(first) : left, y: height - 8, "text-anchor": last === first ? "middle" : "start" }, day(scored[0])));
  if (last !== first) plot.append(svg("text", { x: width - right, y: height - 8, "text-anchor": "end" }, day(scored.at(-1))));
  const versions = [...new Set(scored.map((one) => one.version))];
  for (const version of versions) {
    const own = scored.filter((one) => one.version === version);
    if (versions.length > 1) { // where the version begins
      const at = x(own[0].t), before = at > width - 90;
      plot.append(svg("line", { class: "version", x1: at, x2: at, y1: top - 8, y2: height - bottom }),
        svg("text", { x: before ? at - 4 : at + 4, y: top - 12, "text-anchor": before ? "end" : "start" }, `version ${version}`));
    }
    plot.append(svg("polyline", { class: "line", points: own.map((one) => `${x(one.t).toFixed(1)},${y(one.p).toFixed(1)}`).join(" ") }));
  }
  for (const one of scored) {
    const arm = armOf(one, last);
    plot.append(svg("circle", { class: arm === "held out" ? "held" : arm ? "contacted" : "dot", cx: x(one.t).toFixed(1), cy: y(one.p).toFixed(1), r: arm ? 5 : 3.5 },
      svg("title", {}, `${one.text}: ${percent(one.p)}, version ${one.version}${arm ? `, ${arm}` : ""}`)));
  }
  const arms = [...new Set(scored.map((one) => armOf(one, last)).filter(Boolean))];
  const notes = [`${scored.length} ${scored.length === 1 ? "scoring" : "scorings"}, each by the model of its time.`];
  if (versions.length > 1) notes.push("A dashed line marks where a new version of the model begins: a step there may come from the model.");
  if (arms.includes("contacted")) notes.push("Rings: contacted after that scoring.");
  if (arms.includes("held out")) notes.push("Dashed rings: held out after that scoring.");
  if (more.all_scorings > more.scorings.length) notes.push(`The page holds ${more.scorings.length} of ${more.all_scorings} scorings, at even distances.`);
  if (scored.length === 1) notes.push("Each further scoring adds a point.");
  target.replaceChildren(plot, el("p", { class: "reading" }, notes.join(" ")), el("details", {}, el("summary", {}, "Values"),
    el("table", {}, el("thead", {}, el("tr", {}, ...["As of", "Probability", "Version", "Campaign"].map((text, k) => el("th", { scope: "col", class: k === 1 ? "number" : null }, text)))),
      el("tbody", {}, ...scored.toReversed().map((one) => el("tr", {}, el("th", { scope: "row" }, one.text), el("td", { class: "number" }, percent(one.p)),
        el("td", {}, `${one.version} (${one.model})`), el("td", {}, armOf(one, last) ?? MISSING)))))));
}
/** Which arm of a past campaign the customer was in; what comes of the newest scoring is not known yet. */
const armOf = (one, last) => (one.t === last ? null : [null, "contacted", "held out"][one.arm]);

// Values of features -------------------------------------------------------------------------------------------

function recentOf(i, more) {
  const title = "What happened lately", n = data.keys.length, times = more.feature_times, count = Math.max(times.length, 1);
  if (!more.features.length) return section(title, missing("There are no features for these scores. Run ", code("retention build"), "."));
  const earlier = Math.max(0, count - 2), rows = [];
  let group = null;
  more.features.forEach((feature, f) => {
    const array = more.arrays[`feature ${f}`], at = (t) => array[t * n + i];
    const text = (t) => (feature.values ? (at(t) ? feature.values[at(t) - 1] : MISSING)
      : feature.share ? percent(at(t), 0) : amount(at(t), !feature.plain));
    if (feature.group !== group) {
      group = feature.group;
      rows.push(el("tr", { class: "group" }, el("th", { scope: "rowgroup", colspan: count > 1 ? 4 : 2 }, group ? name(sentence(group)) : "Attributes")));
    }
    const now = el("td", { class: feature.values ? null : "number" }, name(text(count - 1)));
    if (feature.recency && !Number.isNaN(at(count - 1))) now.append(el("div", { class: "small" }, lastEvent(times.at(-1), at(count - 1))));
    rows.push(el("tr", {}, el("th", { scope: "row" }, name(sentence(feature.title))), now,
      ...(count > 1 ? [el("td", { class: feature.values ? null : "number" }, name(text(earlier))),
        el("td", {}, feature.values || count < 3 ? "" : spark(Array.from({ length: count }, (_, t) => at(t))))] : [])));
  });
  const heads = ["Feature", data.as_of ? "Now" : "Value", ...(count > 1 ? ["Before", ""] : [])];
  return section(title, el("div", { class: "scroll" }, el("table", { id: "recent" }, el("thead", {}, el("tr", {}, ...heads.map((text, k) => el("th", { scope: "col", class: k === 1 || k === 2 ? "number" : null }, text)))),
    el("tbody", {}, ...rows))),
  el("p", { class: "reading" }, times.length > 1
    ? `Recency and number of events of each source, and the features that move the predictions most, as known at ${times.at(-1).text} (now) and ${times[earlier].text} (before)${count > 2 ? `; the lines begin at ${times[0].text}` : ""}.`
    : `Recency and number of events of each source, and the features that move the predictions most${times.length ? `, as known at ${times[0].text}` : ""}.`));
}

function lastEvent(time, days) {
  return `on ${new Date(Date.parse(`${time.time}Z`) - days * 86_400_000).toISOString().slice(0, 10)}`;
}

function spark(values) {
  const known = values.filter((one) => !Number.isNaN(one));
  if (known.length < 2) return "";
  const low = Math.min(...known), high = Math.max(...known), width = 110, height = 24;
  const x = (t) => 3 + (t / (values.length - 1)) * (width - 6), y = (one) => (high === low ? height / 2 : height - 3 - ((one - low) / (high - low)) * (height - 6));
  const drawing = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  let run = [];
  const end = () => {
    if (run.length) drawing.append(svg("polyline", { points: run.join(" ") }));
    run = [];
  };
  values.forEach((one, t) => (Number.isNaN(one) ? end() : run.push(`${x(t).toFixed(1)},${y(one).toFixed(1)}`)));
  end();
  const newest = values.at(-1);
  if (!Number.isNaN(newest)) drawing.append(svg("circle", { cx: x(values.length - 1), cy: y(newest), r: 2.5 }));
  return drawing;
}

let resizing;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(async () => {
    if (shown >= 0 && data.as_of && $("over-time")) drawHistory(shown, await details);
  }, 150);
});
