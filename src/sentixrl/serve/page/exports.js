// What a person takes along: results and corrected labels, as CSV and JSON; the arc as a picture.

import { save } from "./dom.js";
import { drawArc, paintArc } from "./arc.js";

const COLUMNS = ["dialogue_id", "index", "utterance_id", "speaker", "text", "label", "status", "confidence", "fallback", "error", "calibrated"];
const FORMULA = /^[=+\-@\t\r]/;

/** A cell. Unless `raw`, none becomes a formula in a spreadsheet. */
export function cell(value, raw = false) {
  let text = value === null || value === undefined ? "" : String(value);
  if (!raw && typeof value === "string" && FORMULA.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const table = (rows, raw) => "\ufeff" + rows.map((row) => row.map((one) => cell(one, raw)).join(",")).join("\r\n") + "\r\n";

function resultRows(turns, dialogues) {
  return [COLUMNS, ...turns.filter((turn) => turn.answer).map((turn) => {
    const one = turn.answer;
    return [dialogues[turn.dialogue].id, turn.index, turn.id, turn.speaker, turn.text, one.label, one.status, one.confidence, one.fallback, one.error?.message, one.calibrated ?? null];
  })];
}

const goldOf = (turn) => turn.gold ?? turn.answer?.label ?? null;

function goldRows(turns, dialogues) {
  const rows = turns.map((turn) => [dialogues[turn.dialogue].id, turn.name, turn.text, goldOf(turn), turn.gold ? "yes" : "no"]);
  return [["dialogue", "speaker", "text", "label", "corrected"], ...rows];
}

function grouped(turns, dialogues, entry) {
  return dialogues.map(({ id, language }, dialogue) => ({
    id, ...(language ? { language } : {}), utterances: turns.filter((turn) => turn.dialogue === dialogue).map(entry),
  }));
}

const goldEntry = (turn) => ({ ...(turn.name ? { speaker: turn.name } : {}), text: turn.text, ...(goldOf(turn) ? { label: goldOf(turn) } : {}), metadata: { corrected: turn.gold ? "yes" : "no" } });
const resultEntry = (turn) => ({ ...turn.answer, ...(turn.gold ? { corrected: turn.gold } : {}) });

/** Save one of the files that the buttons name. */
export async function exportAs(what, { turns, dialogues, raw, arc, labels, facts }) {
  const text = (content, type) => save(`sentixrl-${what}`, new Blob([content], { type }));
  const json = (content) => text(JSON.stringify(content, null, 1), "application/json");
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
  if (what === "results.csv") text(table(resultRows(turns, dialogues), raw), "text/csv");
  else if (what === "gold.csv") text(table(goldRows(turns, dialogues), raw), "text/csv");
  else if (what === "results.json") json({ ...facts, dialogues: grouped(turns, dialogues, resultEntry) });
  else if (what === "gold.json") json(grouped(turns, dialogues, goldEntry));
  else if (what === "arc.svg") text(new XMLSerializer().serializeToString(drawArc(arc, labels, null, colour)), "image/svg+xml");
  else save("sentixrl-arc.png", await paintArc(arc, labels, colour));
}
