// Where a speaker's mood turns: the same as sentixrl/evidence/mood.py, number for number.

const SPAN = 3;
const ORDERS = 199;
const PERCENTILE = 0.95;
const BUSY = 8; // milliseconds of work before the page may draw again

/** Each speaker's mood turn in each conversation, the largest first. `turns` have `dialogue`, `speaker`, `place` and `probabilities`. */
export async function moodTurns(turns, wanted = () => true) {
  const voices = Map.groupBy(turns.filter((turn) => turn.probabilities), (turn) => `${turn.dialogue} ${turn.speaker}`);
  const found = [];
  for (const own of voices.values()) {
    if (own.length < 2 * SPAN) continue;
    const turn = await turnOf(own[0].speaker, own, wanted);
    if (!wanted()) return [];
    if (turn) found.push(turn);
  }
  return found.sort((one, other) => other.divergence - one.divergence);
}

async function turnOf(speaker, own, wanted) {
  const names = Object.keys(own[0].probabilities);
  const rows = own.map((turn) => names.map((name) => turn.probabilities[name] ?? 0));
  const changes = divergences(rows);
  const largest = Math.max(...changes);
  const byChance = [];
  let begun = performance.now();
  for (let number = 0; number < ORDERS; number++) {
    byChance.push(divergences(order(number, rows.length).map((place) => rows[place])).reduce((a, b) => Math.max(a, b)));
    if (performance.now() - begun > BUSY) {
      await new Promise((resume) => setTimeout(resume));
      if (!wanted()) return null;
      begun = performance.now();
    }
  }
  byChance.sort((a, b) => a - b);
  const chance = byChance[Math.ceil(PERCENTILE * ORDERS) - 1];
  if (largest <= chance + 1e-9) return null;
  const at = changes.indexOf(largest) + SPAN;
  const likeliest = (some) => names[indexOfMost(mean(some))];
  return {
    speaker, place: own[at].place, divergence: largest, chance,
    before: likeliest(rows.slice(at - SPAN, at)), after: likeliest(rows.slice(at, at + SPAN)),
  };
}

/** In bits, at each place with three rows on either side. */
export function divergences(rows) {
  const found = [];
  for (let at = SPAN; at + SPAN <= rows.length; at++) {
    const before = mean(rows.slice(at - SPAN, at));
    const after = mean(rows.slice(at, at + SPAN));
    const middle = before.map((share, label) => (share + after[label]) / 2);
    found.push(entropy(middle) - (entropy(before) + entropy(after)) / 2);
  }
  return found;
}

const mean = (rows) => rows[0].map((_, label) => rows.reduce((sum, row) => sum + row[label], 0) / rows.length);
const entropy = (row) => row.reduce((sum, share) => (share > 0 ? sum - share * Math.log2(share) : sum), 0);
const indexOfMost = (row) => row.indexOf(Math.max(...row));

/** An order by chance, the same in every browser and in Python. */
export function order(number, size) {
  const key = mixed(Math.imul(number, 0x85ebca77));
  const keys = Array.from({ length: size }, (_, place) => mixed(place ^ key));
  return keys.map((_, place) => place).sort((one, other) => keys[one] - keys[other] || one - other);
}

function mixed(value) {
  value ^= value >>> 16;
  value = Math.imul(value, 0x85ebca6b);
  value ^= value >>> 13;
  value = Math.imul(value, 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
