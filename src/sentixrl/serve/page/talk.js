// The list of turns. Only what is near the screen is there as elements, so that thousands scroll well.

import { make } from "./dom.js";

const CHUNK = 10;
const NEAR = "1200px 0px";
const GUESS = 96; // pixels of a turn that was never drawn

/** A list in chunks. `row` makes the element of a place. */
export class Talk {
  constructor(root, row) {
    this.root = root;
    this.row = row;
    this.places = [];
    this.chunks = [];
    this.stale = new Set();
    this.near = new IntersectionObserver((entries) => entries.forEach((entry) => this.#seen(entry)), { rootMargin: NEAR });
  }

  /** Show these places, in order. */
  show(places) {
    this.near.disconnect();
    this.places = places;
    this.chunks = [];
    for (let at = 0; at < places.length; at += CHUNK) {
      const own = places.slice(at, at + CHUNK);
      const element = make("div", { role: "presentation", style: { "min-height": `${own.length * GUESS}px` } });
      this.chunks.push({ element, places: own, drawn: false });
    }
    this.byElement = new Map(this.chunks.map((chunk) => [chunk.element, chunk]));
    this.chunkOf = new Map(this.chunks.flatMap((chunk) => chunk.places.map((place) => [place, chunk])));
    this.root.replaceChildren(...this.chunks.map((chunk) => chunk.element));
    this.chunks.forEach((chunk) => this.near.observe(chunk.element));
    if (this.chunks[0]) this.#draw(this.chunks[0]);
  }

  /** Draw a turn anew, soon and together with others, if it is there at all. */
  renew(place) {
    if (!this.stale.size) requestAnimationFrame(() => this.#renewAll());
    this.stale.add(place);
  }

  /** Draw all that is there anew. */
  renewAll() {
    for (const chunk of this.chunks) if (chunk.drawn) chunk.places.forEach((place) => this.renew(place));
  }

  /** Bring a turn to the screen and the keyboard to it. */
  go(place) {
    const chunk = this.chunkOf.get(place);
    if (!chunk) return;
    this.#draw(chunk);
    const element = this.element(place);
    element?.scrollIntoView({ block: "center" });
    element?.querySelector("button")?.focus({ preventScroll: true });
  }

  element(place) {
    return this.root.querySelector(`[data-place="${place}"]`);
  }

  #seen({ target, isIntersecting }) {
    const chunk = this.byElement.get(target);
    if (!chunk) return;
    if (isIntersecting) this.#draw(chunk);
    else if (chunk.drawn && !target.contains(document.activeElement)) {
      target.style.minHeight = `${target.offsetHeight}px`;
      target.replaceChildren();
      chunk.drawn = false;
    }
  }

  #draw(chunk) {
    if (chunk.drawn) return;
    chunk.drawn = true;
    chunk.element.replaceChildren(...chunk.places.map((place) => this.row(place)));
    chunk.element.style.minHeight = "";
  }

  #renewAll() {
    const active = document.activeElement;
    for (const place of this.stale) {
      const old = this.chunkOf.get(place)?.drawn ? this.element(place) : null;
      if (!old) continue;
      const held = old.contains(active) ? active.dataset.key : null;
      const fresh = this.row(place);
      old.replaceWith(fresh);
      if (held) fresh.querySelector(`[data-key="${held}"]`)?.focus({ preventScroll: true });
    }
    this.stale.clear();
  }
}
