// The page: what was given, what was asked, what was answered, and the parts that show it.

import { drawArc, plan } from "./arc.js";
import { find, make, many } from "./dom.js";
import { Labels } from "./emotions.js";
import { exportAs } from "./exports.js";
import { Give } from "./give.js";
import { moodTurns } from "./mood.js";
import * as service from "./service.js";
import { remember, restore } from "./settings.js";
import { Talk } from "./talk.js";
import { turnElement } from "./turn.js";

const OWN = "own";
const MODELS = "model";  // the labels that the service gave its model
const VOICES = 6;
const NAMELESS = "–";
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur"]);
const state = { models: [], schemes: [], dialogues: [], turns: [], offsets: [], labels: new Labels(), moods: [], chosen: null, run: null, facts: {}, arc: null };

function say(error) {
  const box = find("messages");
  if (!error) return box.replaceChildren();
  const hint = error.hint ? ` ${error.hint}` : "";
  box.replaceChildren(make("p", { class: "message" }, `${error.message}${hint}`));
}

// ---- what was given

function given(dialogues, failed = false) {
  if (!failed) say(null);
  state.dialogues = dialogues;
  state.run?.abort();
  find("go").disabled = !dialogues.length;
  find("answers").hidden = true;
  state.turns = [];
}

const give = new Give({ changed: given, failed: say });

// ---- what is asked

function labelsAsked() {
  if (find("labels").value === MODELS) return null;
  if (find("labels").value !== OWN) return find("labels").value;
  const names = find("own").value.split(/[,،，、]/).map((name) => name.trim()).filter(Boolean);
  return [...new Set(names)];
}

function body() {
  const asked = labelsAsked();
  const model = state.models.find((one) => one.name === find("model").value);
  return {
    dialogues: state.dialogues.map(({ id, language, utterances }) => ({ ...(id ? { id } : {}), ...(language ? { language } : {}), utterances: utterances.map(({ speaker, text }) => ({ ...(speaker ? { speaker } : {}), text })) })),
    ...(asked?.length ? { labels: asked } : {}),
    ...(model ? { model: model.name } : {}),
    ...(find("negotiation").checked === Boolean(model?.negotiates) ? {} : { negotiation: find("negotiation").checked }),
    ...(find("explain").checked ? { explain: true } : {}),
  };
}

function spread(dialogues) {
  const voices = new Map();
  state.offsets = [];
  state.turns = dialogues.flatMap((one, dialogue) => {
    const offset = (state.offsets[dialogue] = (state.offsets[dialogue - 1] ?? 0) + (dialogues[dialogue - 1]?.utterances.length ?? 0));
    return one.utterances.map((turn, index) => {
      const speaker = turn.speaker ?? NAMELESS;
      if (!voices.has(speaker)) voices.set(speaker, voices.size % VOICES);
      return {
        place: offset + index, dialogue, index, offset, id: turn.id ?? null, name: turn.speaker ?? null, speaker, voice: voices.get(speaker), text: turn.text,
        opens: dialogues.length > 1 && index === 0 ? one.id : null, answer: null, label: null, confidence: null, probabilities: null, gold: null,
      };
    });
  });
}

async function ask() {
  if (!state.dialogues.length) return;
  const asked = labelsAsked();
  if (Array.isArray(asked) && asked.length < 2) return say(new service.ServiceError("Your own labels need at least two names.", "Write for example: calm, worried, annoyed."));
  say(null);
  state.run?.abort();
  const run = (state.run = new AbortController());
  Object.assign(state, { chosen: null, moods: [], facts: {} });
  spread(state.dialogues);
  state.labels = new Labels(schemeLabels(asked), find("language").value);
  begin();
  try {
    for await (const record of service.classify(body(), run.signal)) if (state.run === run) take(record);
    if (state.run === run) await finish(run);
  } catch (error) {
    if (state.run !== run) return;
    if (error.name !== "AbortError") say(error);
    else if (state.turns.length) find("status").textContent = `Stopped after ${answered()} of ${many(state.turns.length, "turn")}.`;
  } finally {
    if (state.run === run) end();
  }
}

function schemeLabels(asked) {
  if (Array.isArray(asked)) return asked.map((name) => ({ name }));
  return state.schemes.find((scheme) => scheme.name === asked)?.labels ?? [];
}

const answered = () => state.turns.reduce((count, turn) => count + (turn.answer ? 1 : 0), 0);

function begin() {
  find("go").disabled = true;
  find("stop").hidden = find("progress").hidden = find("answers").hidden = false;
  find("progress").max = state.turns.length;
  find("progress").value = 0;
  find("status").textContent = "";
  filters();
  filter();
  paint();
}

function end() {
  state.run = null;
  find("go").disabled = !state.dialogues.length;
  find("stop").hidden = find("progress").hidden = true;
  paint();
}

// ---- what is answered

function take(record) {
  if (record.type === "start") {
    Object.assign(state.facts, { model: record.model, calibrated: record.calibrated });
    state.sentTo = record.sent_to;
    const given = (record.labels ?? []).map((label) => (typeof label === "string" ? { name: label } : label));
    const known = new Map(schemeLabels(labelsAsked()).map((label) => [label.name, label]));
    if (given.length) state.labels = new Labels(given.map((label) => ({ ...known.get(label.name), ...label })), find("language").value);
    filters();
  } else if (record.type === "turn") {
    keep(record);
  } else if (record.type === "error") {
    say(new service.ServiceError(record.error, record.hint));
  } else if (record.type === "end") {
    state.seconds = record.seconds;
  }
}

function keep({ type, dialogue, turn: index, ...answer }) {
  const turn = state.turns[state.offsets[dialogue] + index];
  if (!turn) return;
  Object.assign(turn, { answer, label: turn.gold ?? answer.label ?? answer.fallback ?? null, confidence: answer.confidence ?? null, probabilities: answer.probabilities ?? null });
  talk.renew(turn.place);
  later();
}

let waiting = false;
function later() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => { waiting = false; paint(); }, 200);
}

async function finish(run) {
  find("status").textContent = `${many(answered(), "turn")} answered${state.seconds ? ` in ${state.seconds.toFixed(1)} s` : ""}.`;
  const moods = await moodTurns(state.turns, () => state.run === run);
  if (state.run !== run) return;
  state.moods = moods;
  moods.forEach((mood) => talk.renew(mood.place));
}

// ---- what is shown

const threshold = () => Number(find("threshold").value) / 100;
const chosen = () => (state.chosen === null ? null : state.turns[state.chosen]);

const view = {
  get labels() { return state.labels; },
  get size() { return state.turns.length; },
  unsure: (turn) => Boolean(turn.answer) && !turn.gold && (turn.answer.label == null || (turn.confidence !== null && turn.confidence < threshold())),
  open: (turn) => state.chosen === turn.place,
  mood: (turn) => state.moods.some((mood) => mood.place === turn.place),
  moved(turn) {
    const of = chosen();
    const index = of && turn.dialogue === of.dialogue ? turn.index : -1;
    const one = of?.answer?.evidence?.find(({ turn: first, turns = 1 }) => index >= first && index < first + turns);
    return one && Math.abs(one.log_odds) >= 0.1 ? { change: one.log_odds, of: of.place } : null;
  },
};

const act = {
  toggle(turn) {
    const before = chosen();
    state.chosen = state.chosen === turn.place ? null : turn.place;
    for (const one of new Set([before, turn])) if (one) touched(one).forEach((place) => talk.renew(place));
  },
  go: (place) => talk.go(place),
  walk(turn, way) {
    const places = talk.places, next = places[places.indexOf(turn.place) + way];
    if (next !== undefined) talk.go(next);
  },
  correct(turn, name) {
    turn.gold = name && name !== turn.answer.label ? name : null;
    turn.label = turn.gold ?? turn.answer.label ?? turn.answer.fallback ?? null;
    talk.renew(turn.place);
    paint();
  },
};

/** A turn, and those that its evidence marks. */
function touched(turn) {
  const evidence = turn.answer?.evidence ?? [];
  return [turn.place, ...evidence.flatMap((one) => Array.from({ length: one.turns ?? 1 }, (_, step) => turn.offset + one.turn + step))];
}

const talk = new Talk(find("talk"), (place) => turnElement(state.turns[place], view, act));

function paint() {
  const { turns, labels, moods } = state;
  if (!turns.length) return;
  find("progress").value = answered();
  find("facts").replaceChildren(...factsOf());
  state.arc = plan(turns, labels, moods);
  const held = document.activeElement?.closest?.("#arc") ? document.activeElement.getAttribute("aria-label") : null;
  const svg = drawArc(state.arc, labels, act.go);
  find("arc").replaceChildren(svg);
  if (held) [...svg.querySelectorAll("a")].find((point) => point.getAttribute("aria-label") === held)?.focus();
  find("moods").replaceChildren(...moods.map((mood) => make("p", { class: "mood" }, "The mood of ", make("bdi", {}, mood.speaker), " changes at ",
    make("button", { type: "button", class: "quiet", on: { click: () => act.go(mood.place) } }, `turn ${mood.place + 1}`), ": from ", labels.shown(mood.before), " to ", labels.shown(mood.after), ".")));
  find("people").replaceChildren(...[...Map.groupBy(turns, (turn) => turn.speaker)].slice(0, 12).map(person));
}

function factsOf() {
  const item = state.turns.find((turn) => turn.answer)?.answer;
  const calibrated = item?.calibrated ?? state.facts.calibrated;
  const sure = { true: "probabilities are calibrated", false: "probabilities are the model’s own, not calibrated" }[calibrated] ?? "";
  const where = state.sentTo ? `texts went to ${state.sentTo}` : "";
  return [[state.facts.model ? `answered by ${state.facts.model}` : "", sure, where].filter(Boolean).join(" · ")];
}

function person([name, turns]) {
  const counts = [...Map.groupBy(turns.filter((turn) => turn.label), (turn) => turn.label)].sort((one, other) => other[1].length - one[1].length);
  return make("li", { class: `voice-${turns[0].voice}` }, make("bdi", { class: "speaker" }, name), make("span", { class: "note" }, many(turns.length, "turn")),
    ...counts.slice(0, 6).map(([label, own]) => make("span", {}, state.labels.shown(label), ` ${own.length}`)));
}

function filters() {
  const fillIn = (id, all, names, word = (name) => name) => {
    const field = find(id), before = field.value;
    field.replaceChildren(make("option", { value: "" }, all), ...names.map((name) => make("option", { value: name }, word(name))));
    if (names.includes(before)) field.value = before;
  };
  fillIn("by-speaker", "everybody", [...new Set(state.turns.map((turn) => turn.speaker))]);
  fillIn("by-label", "every label", [...state.labels.labels.keys()], (name) => state.labels.word(name));
}

function filter() {
  const speaker = find("by-speaker").value, label = find("by-label").value, sure = find("by-sure").value;
  const kinds = { unsure: view.unsure, sure: (turn) => turn.answer && !view.unsure(turn), corrected: (turn) => turn.gold };
  const kept = state.turns.filter((turn) => (!speaker || turn.speaker === speaker) && (!label || turn.label === label) && (!sure || kinds[sure](turn)));
  talk.show(kept.map((turn) => turn.place));
  find("shown").textContent = kept.length === state.turns.length ? "" : `${kept.length.toLocaleString("en")} of ${many(state.turns.length, "turn")}`;
}

// ---- settings

function offered() {
  const words = state.schemes.flatMap((scheme) => scheme.labels.flatMap((label) => Object.keys(label.words ?? {})));
  const languages = [...new Set(["en", ...words])];
  const names = (code) => new Intl.DisplayNames([code], { type: "language" }).of(code);
  const option = (value, text) => make("option", { value }, text);
  find("language").replaceChildren(...languages.map((code) => option(code, names(code))));
  const known = new Set(state.schemes.map(({ name }) => name));
  const models = state.models.some(({ labels }) => !known.has(labels)) ? [option(MODELS, "the model’s own")] : [];
  find("labels").replaceChildren(...models, ...state.schemes.map(({ name, labels }) => option(name, `${name} (${labels.length})`)), option(OWN, "your own"));
  find("model").replaceChildren(...state.models.map(({ name }) => option(name, name)));
  const reader = navigator.languages.map((tag) => tag.split("-")[0]).find((code) => languages.includes(code));
  const standard = state.models.find((one) => one.default) ?? state.models[0];
  const labels = !standard ? OWN : known.has(standard.labels) ? standard.labels : MODELS;
  const defaults = { language: reader ?? "en", model: standard?.name ?? "", labels, negotiation: standard?.negotiates ? "1" : "" };
  Object.assign(find("language"), { value: defaults.language });
  Object.assign(find("labels"), { value: defaults.labels });
  if (standard) find("model").value = standard.name;
  find("negotiation").checked = Boolean(standard?.negotiates);
  return defaults;
}

function privacy() {
  const model = state.models.find((one) => one.name === find("model").value);
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  find("privacy").textContent = model?.remote_host
    ? `Texts go to ${model.remote_host}, where the model runs.`
    : here ? "Nothing leaves this machine." : `Texts go to ${location.host} and no further.`;
}

function settle(defaults) {
  const again = new Set(["labels", "own", "model", "negotiation", "explain"]);
  const changed = (id) => {
    find("own-field").hidden = find("labels").value !== OWN;
    find("threshold-value").textContent = `${find("threshold").value}%`;
    find("answers").dir = RIGHT_TO_LEFT.has(find("language").value) ? "rtl" : "ltr";
    remember(defaults);
    privacy();
    if (id === "pseudonyms") return give.read();
    if (id === "language") {
      state.labels.language = find("language").value;
      filters();
    }
    if (id === "language" || id === "threshold") {
      talk.renewAll();
      if (find("by-sure").value) filter();
      return paint();
    }
    // Other labels are answered at once, with nothing to paste again.
    if (again.has(id) && state.turns.length && !(find("labels").value === OWN && !find("own").value.trim())) ask();
  };
  for (const id of ["labels", "own", "language", "model", "negotiation", "explain", "pseudonyms", "threshold"]) {
    find(id).addEventListener(id === "threshold" ? "input" : "change", () => changed(id));
  }
  changed(null);
}

async function start() {
  find("go").addEventListener("click", ask);
  find("stop").addEventListener("click", () => state.run?.abort());
  for (const id of ["by-speaker", "by-label", "by-sure"]) find(id).addEventListener("change", filter);
  find("copy-link").addEventListener("click", () => navigator.clipboard.writeText(location.href));
  find("export").addEventListener("click", (event) => {
    const what = event.target.dataset?.export;
    if (what) exportAs(what, { ...state, raw: find("raw").checked });
  });
  try {
    const { models, labels } = await service.models();
    Object.assign(state, { models, schemes: labels });
  } catch (error) {
    say(error);
  }
  const defaults = offered();
  restore();
  settle(defaults);
  if (service.brings) await fromCommand();
}

/** What `sentixrl open FILE` was given. */
async function fromCommand() {
  try {
    const { name, content } = await service.opened();
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    await give.open(new File([bytes], name));
    await ask();
  } catch (error) {
    say(error);
  }
}

start();
