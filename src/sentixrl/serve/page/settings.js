// Settings live in the address, so that a link brings them back. Texts never do.

import { find } from "./dom.js";

const FIELDS = {
  labels: "labels", own: "own", language: "language", model: "model", negotiation: "negotiation",
  explain: "explain", pseudonyms: "pseudonyms", threshold: "threshold",
};
const DEFAULTS = { threshold: "0" };

const valueOf = (field) => (field.type === "checkbox" ? (field.checked ? "1" : "") : field.value);

/** Fill the fields from the address. */
export function restore() {
  const given = new URLSearchParams(location.search);
  for (const [name, id] of Object.entries(FIELDS)) {
    const field = find(id), value = given.get(name) ?? DEFAULTS[name];
    if (value === undefined || value === null) continue;
    if (field.type === "checkbox") field.checked = value === "1";
    else if (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value)) field.value = value;
  }
}

/** Write the fields to the address. */
export function remember(defaults) {
  const kept = new URLSearchParams();
  for (const [name, id] of Object.entries(FIELDS)) {
    const value = valueOf(find(id));
    if (value && value !== (defaults[name] ?? DEFAULTS[name])) kept.set(name, value);
  }
  const query = kept.toString();
  history.replaceState(null, "", location.pathname + (query ? `?${query}` : ""));
}
