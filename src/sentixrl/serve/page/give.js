// What a person brings: pasted, typed, dropped or opened; how it is read; and putting that right.

import { find, make, many } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import * as service from "./service.js";

const PAUSE = 350; // milliseconds after the last key
const STEP = 40; // turns that are shown for correction at a time
const LARGEST = 60 * 2 ** 20;
const LONG = 30_000; // characters from which a paste is kept beside the field, which would be slow with it
const FORMATS = ["auto", "text", "json", "jsonl", "csv", "tsv", "whatsapp", "telegram", "discord", "webvtt", "srt", "speech", "timed-transcript"];

/** The input. `changed` is called with dialogues once something was read or put right, and `failed` with errors. */
export class Give {
  constructor({ changed, failed }) {
    Object.assign(this, { changed, failed, dialogues: [], file: null, pasted: null, format: "auto", gap: "", dates: "", shown: STEP });
    this.text = find("text");
    this.text.addEventListener("input", () => { this.#bring({}); this.#later(); });
    this.text.addEventListener("paste", (event) => this.#paste(event));
    find("file").addEventListener("change", (event) => this.open(event.target.files[0]));
    find("examples").append(...Object.entries(EXAMPLES).map(([name, text]) =>
      make("button", { type: "button", on: { click: () => this.type(text) } }, make("bdi", {}, name))));
    this.#drops(find("drop"));
  }

  type(text) {
    this.#bring({});
    this.text.value = text;
    return this.read();
  }

  #paste(event) {
    const pasted = event.clipboardData.getData("text");
    if (pasted.length < LONG) return;
    event.preventDefault();
    this.#bring({ pasted });
    this.read();
  }

  /** What is read instead of the field: a file, or a long paste. */
  #bring({ file = null, pasted = null }) {
    Object.assign(this, { file, pasted });
    const chip = find("file-name");
    chip.hidden = !file && pasted === null;
    const clear = () => { this.#bring({}); find("file").value = ""; this.read(); };
    const name = file?.name ?? `Pasted text, ${(pasted ?? "").length.toLocaleString("en")} characters`;
    chip.replaceChildren(make("b", {}, name), make("button", { type: "button", on: { click: clear } }, "Leave it out"));
  }

  /** A file; its bytes go to the service, nowhere else. */
  async open(file) {
    if (!file) return;
    if (file.size > LARGEST) return this.failed(new service.ServiceError(`The file has more than ${LARGEST / 2 ** 20} MB.`, "Use the command line: sentixrl classify FILE."));
    this.#bring({ file });
    await this.read();
  }

  /** Ask how the input is understood. */
  async read() {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const { file } = this, text = this.pasted ?? this.text.value;
    if (!file && !text.trim()) return this.#take({ dialogues: [] });
    const content = file ? { content: await service.asBase64(file), encoding: "base64", name: file.name } : { content: text, name: null };
    const how = { ...(this.format === "auto" ? {} : { format: this.format }), ...(this.gap ? { gap: Number(this.gap) || this.gap } : {}), ...(this.dates ? { dates: this.dates } : {}), ...(find("pseudonyms").checked ? { pseudonyms: true } : {}) };
    try {
      this.#take(await service.read({ ...content, ...how }, asking.signal));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#take({ dialogues: [] }, true);
      this.failed(error);
    }
  }

  #take(found, failed = false) {
    this.dialogues = found.dialogues;
    this.found = found;
    this.shown = STEP;
    this.#preview(failed);
    this.changed(this.dialogues, failed);
  }

  #later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), PAUSE);
  }

  #drops(area) {
    const over = (is) => (event) => { event.preventDefault(); area.classList.toggle("over", is); };
    area.addEventListener("dragover", over(true));
    area.addEventListener("dragleave", over(false));
    area.addEventListener("drop", (event) => {
      over(false)(event);
      this.open(event.dataTransfer.files[0]);
    });
  }

  #preview(failed = false) {
    const turns = this.dialogues.reduce((sum, one) => sum + one.utterances.length, 0);
    const box = find("preview");
    box.hidden = !turns && !failed;
    if (failed) {
      box.open = true;
      find("preview-summary").textContent = "Say how it is to be read";
      return find("preview-body").replaceChildren(this.#ways());
    }
    if (!turns) return;
    const people = new Set(this.dialogues.flatMap((one) => one.utterances.map((turn) => turn.speaker).filter(Boolean)));
    const { ledger, notes = [], format } = this.found;
    const left = Object.entries(ledger?.skipped ?? {}).map(([why, count]) => `${count} × ${why}`).join(", ");
    const parts = [`Read as ${format ?? "text"}: ${many(turns, "turn")}`, people.size ? many(people.size, "speaker") : "no speakers", this.dialogues.length > 1 ? many(this.dialogues.length, "conversation") : "", left ? `left out: ${left}` : ""];
    find("preview-summary").textContent = parts.filter(Boolean).join(" · ") + ". See or correct it";
    find("preview-body").replaceChildren(...notes.map((note) => make("p", { class: "note" }, note)), this.#ways(), this.#names(people), ...this.#rows());
  }

  #ways() {
    const choice = (words, key, options) => make("label", {}, `${words} `, make("select", {
      on: { change: (event) => { this[key] = event.target.value; this.read(); } },
    }, options.map(([value, text]) => make("option", { value, selected: value === this[key] }, text))));
    return make("div", { class: "row fields" },
      choice("Format", "format", FORMATS.map((name) => [name, name === "auto" ? "detected" : name])),
      choice("Dates", "dates", [["", "as they tell"], ["dmy", "day, month"], ["mdy", "month, day"], ["ymd", "year first"]]),
      choice("A pause that ends a conversation", "gap", [["", "8 hours"], ["1", "1 hour"], ["48", "2 days"], ["none", "none"]]));
  }

  #names(people) {
    if (!people.size || people.size > 12) return null;
    const fields = [...people].map((name) => make("input", {
      type: "text", dir: "auto", value: name, "aria-label": `Name of ${name}`,
      on: { change: (event) => this.#change((turn) => { if (turn.speaker === name) turn.speaker = event.target.value.trim() || null; }) },
    }));
    return make("div", { class: "row fields" }, make("span", { class: "note" }, "Speakers"), fields);
  }

  #rows() {
    const all = this.dialogues.flatMap((one) => one.utterances.map((turn) => ({ one, turn })));
    const rows = all.slice(0, this.shown).map(({ one, turn }, place) => make("div", { class: "edit" },
      make("input", { type: "text", dir: "auto", value: turn.speaker ?? "", "aria-label": `Speaker of turn ${place + 1}`, on: { change: (event) => this.#change(() => { turn.speaker = event.target.value.trim() || null; }, turn) } }),
      textOf(turn, place, () => this.changed(this.dialogues)),
      make("button", { type: "button", "aria-label": `Remove turn ${place + 1}`, on: { click: () => this.#remove(one, turn) } }, "Remove")));
    const more = make("button", { type: "button", on: { click: () => { this.shown += STEP; this.#preview(); } } }, `Show ${STEP} more`);
    return all.length > this.shown ? [...rows, more] : rows;
  }

  #change(edit, only = null) {
    for (const one of this.dialogues) for (const turn of one.utterances) if (!only || turn === only) edit(turn);
    this.#preview();
    this.changed(this.dialogues);
  }

  #remove(one, turn) {
    one.utterances.splice(one.utterances.indexOf(turn), 1);
    this.dialogues = this.dialogues.filter((each) => each.utterances.length);
    this.#preview();
    this.changed(this.dialogues);
  }
}

function textOf(turn, place, changed) {
  const field = make("textarea", { rows: 1, dir: "auto", "aria-label": `Text of turn ${place + 1}`, on: { change: () => {
    if (!field.value.trim()) field.value = turn.text;
    turn.text = field.value;
    changed();
  } } });
  field.value = turn.text;
  return field;
}
