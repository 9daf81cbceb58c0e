// Labels as they look: word, colour, shape. The families are those of emotions.json.

import { draw, make } from "./dom.js";

const families = await (await fetch(new URL("emotions.json", import.meta.url))).json();
const byWord = new Map(Object.entries(families).flatMap(([name, one]) => one.words.map((word) => [word, name])));
const byPolarity = { positive: "joy", negative: "sadness", neutral: "neutral" };
const signs = { positive: 1, negative: -1, neutral: 0, ambiguous: 0 };

/** The labels of one answer, each with its words by language. */
export class Labels {
  constructor(labels = [], language = "en") {
    this.labels = new Map(labels.map((label) => [label.name, label]));
    this.language = language;
  }

  word(name) {
    const words = this.labels.get(name)?.words ?? {};
    return words[this.language] ?? name;
  }

  family(name) {
    const label = this.labels.get(name);
    const known = [name, label?.words?.en ?? ""].map((word) => byWord.get(word.toLowerCase())).find(Boolean);
    return known ?? byPolarity[label?.polarity] ?? "other";
  }

  sign(name) {
    const polarity = this.labels.get(name)?.polarity;
    return polarity ? signs[polarity] : families[this.family(name)].polarity;
  }

  shape(name) {
    return families[this.family(name)].shape;
  }

  /** Whether some are pleasant and some unpleasant. */
  get sided() {
    const found = [...this.labels.keys()].map((name) => this.sign(name));
    return found.includes(1) && found.includes(-1);
  }

  /** Shape and word together. */
  shown(name) {
    const path = draw("path", { d: this.shape(name), "fill-rule": "evenodd" });
    const mark = draw("svg", { class: `mark ${this.family(name)}`, viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
    return make("span", { class: "label" }, mark, make("bdi", {}, this.word(name)));
  }
}
