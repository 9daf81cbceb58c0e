// One turn: who, what, the label with its likeliest rivals; below it, on demand, how it came about.

import { make, many, percent } from "./dom.js";

const BARS = 3;
const FULL_BAR = 2; // the change of log-odds that fills a bar of evidence
const STATUS = { outlier: "no agreement", invalid: "no readable answer", error: "failed" };

/** The element of a turn.
 *  `view` has `labels`, `size`, `unsure(turn)`, `open(turn)`, `moved(turn)`, `mood(turn)`; `act` what a person may do. */
export function turnElement(turn, view, act) {
  const { answer, place } = turn;
  const unsure = view.unsure(turn), moved = view.moved(turn), open = view.open(turn);
  const kinds = [`turn voice-${turn.voice}`, unsure && "unsure", open && "chosen", moved && "moved"];
  const head = turn.opens ? make("p", { class: "which" }, make("bdi", {}, turn.opens)) : null;
  const row = make("div", { class: kinds.filter(Boolean).join(" ") },
    make("div", { class: "who" }, make("span", { class: "number" }, `${place + 1}`), make("bdi", { class: "speaker" }, turn.speaker)),
    make("p", { class: "said", dir: "auto" }, turn.text),
    make("div", { class: "answer" }, answerOf(turn, view, unsure), bars(answer, view.labels)),
    moved ? make("p", { class: "hint" }, movedText(moved)) : null,
    view.mood(turn) ? make("p", { class: "hint" }, "Here the mood of ", make("bdi", {}, turn.speaker), " changes.") : null,
    answer ? make("button", {
      class: "why quiet", type: "button", "aria-expanded": open, "data-key": "why", "aria-label": `Turn ${place + 1}: why?`,
      on: { click: () => act.toggle(turn), keydown: (event) => walk(event, turn, act) },
    }, open ? "Close" : "Why?") : null,
    open ? below(turn, view, act) : null,
  );
  return make("div", { role: "listitem", "aria-setsize": view.size, "aria-posinset": place + 1, "data-place": place }, head, row);
}

function walk(event, turn, act) {
  const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (way) {
    event.preventDefault();
    act.walk(turn, way);
  }
}

function answerOf(turn, view, unsure) {
  const { answer, gold } = turn;
  if (gold) return [view.labels.shown(gold), make("span", { class: "note" }, " corrected")];
  if (!answer) return [make("span", { class: "note" }, "…")];
  const label = answer.label ?? answer.fallback;
  const names = answer.labels ?? (label ? [label] : []);
  const said = STATUS[answer.status] ?? (unsure ? "unsure" : "");
  return [
    ...names.map((name) => view.labels.shown(name)),
    said ? make("span", { class: "note" }, ` ${said}`) : null,
    answer.error ? make("p", { class: "note" }, answer.error.message ?? answer.error) : null,
  ];
}

function bars(answer, labels) {
  const shares = Object.entries(answer?.probabilities ?? {}).sort((one, other) => other[1] - one[1]).slice(0, BARS);
  if (!shares.length) return null;
  return make("ul", { class: "bars", "aria-label": "likeliest labels" }, shares.map(([name, share]) =>
    make("li", {}, make("bdi", {}, labels.word(name)), track(share, labels.family(name)), make("span", { dir: "ltr" }, percent(share)))));
}

const track = (share, kind) =>
  make("span", { class: `track ${kind}`, "aria-hidden": "true" }, make("i", { style: { width: `${100 * share}%` } }));

function movedText({ change, of }) {
  return `Moved the model’s answer to turn ${of + 1} by ${signed(change)} log-odds.`;
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

function below(turn, view, act) {
  return make("div", { class: "below" }, negotiation(turn.answer, view.labels), evidence(turn, view.labels, act), correction(turn, view.labels, act));
}

function negotiation({ negotiation: rounds = [] }, labels) {
  if (!rounds.length) return make("p", { class: "note" }, "Nothing was negotiated: this is the model’s first answer.");
  const voices = rounds.flatMap(({ generator, discriminator }) => [
    make("li", {}, make("b", {}, "Generator "), ...(generator.label ? ["proposes ", labels.shown(generator.label)] : ["gave no readable label"]), quote(generator.analysis)),
    discriminator && make("li", { class: "second" }, make("b", {}, "Discriminator "), ...verdict(discriminator, labels), quote(discriminator.assessment)),
  ]);
  return [make("h3", {}, `Negotiation, ${many(rounds.length, "round")}`), make("ol", { class: "voices" }, voices)];
}

function verdict({ verdict: said, counter_label: counter }, labels) {
  if (said === "agree") return ["agrees"];
  if (said !== "disagree") return ["gave no readable verdict"];
  return counter ? ["disagrees: rather ", labels.shown(counter)] : ["disagrees"];
}

const quote = (text) => (text ? make("q", { dir: "auto" }, text) : null);

function evidence({ answer, offset }, labels, act) {
  if (!answer.evidence) return make("p", { class: "note" }, "Which earlier turns moved it was not measured: “Measure what moved each answer” under More settings does.");
  const title = make("h3", {}, "What moved the model’s answer");
  if (!answer.evidence.length) return [title, make("p", { class: "note" }, "No earlier turn was shown to the model.")];
  return [title, make("ul", { class: "evidence" }, answer.evidence.map((one) => {
    const first = offset + one.turn, last = first + (one.turns ?? 1) - 1;
    const turns = first === last ? `turn ${first + 1}` : `turns ${first + 1}–${last + 1}`;
    return make("li", { class: one.log_odds < 0 ? "against" : "for" },
      make("button", { type: "button", class: "quiet", "data-key": `to-${first}`, on: { click: () => act.go(first) } }, turns),
      track(Math.min(1, Math.abs(one.log_odds) / FULL_BAR), ""), make("span", { dir: "ltr" }, signed(one.log_odds)),
      make("span", { class: "towards" }, one.log_odds < 0 ? "against it, for " : "for ", labels.shown(one.towards)));
  })), make("p", { class: "note" }, "What the answer’s log-odds lose when a turn is hidden: 0.7 means odds twice as good with the turn, 2.3 ten times. It moved the model’s answer, no more.")];
}

function correction(turn, labels, act) {
  const chosen = turn.gold ?? turn.answer.label ?? "";
  const options = ["", ...labels.labels.keys()].map((name) =>
    make("option", { value: name, selected: name === chosen }, name ? labels.word(name) : "–"));
  const select = make("select", { "data-key": "gold", on: { change: (event) => act.correct(turn, event.target.value) } }, options);
  return make("p", {}, make("label", {}, "The right label: ", select));
}
