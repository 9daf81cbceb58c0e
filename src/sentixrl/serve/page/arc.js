// The arc: a lane a speaker, drawn as SVG for the page and a file, and on a canvas for a picture.

import { draw } from "./dom.js";

const WIDTH = 760, LANE = 76, LEFT = 14, TOP = 22, REACH = 24, MOST = 60, LANES = 8;

/** Where everything stands. `turns` have `place`, `speaker`, `voice`, `label`, `probabilities`, `confidence`. */
export function plan(turns, labels, moods) {
  const names = [...new Map(turns.map((turn) => [turn.speaker, turn.voice]))].slice(0, LANES);
  const step = Math.ceil(turns.length / MOST);
  const scale = (WIDTH - 2 * LEFT) / Math.max(1, turns.length - 1);
  const lanes = names.map(([name, voice], row) => {
    const middle = TOP + LANE * (row + 0.5);
    const own = turns.filter((turn) => turn.speaker === name && turn.label);
    const points = [...Map.groupBy(own, (turn) => Math.floor(turn.place / step)).values()].map((some) => {
      const first = some[0].place, last = some.at(-1).place;
      const height = some.reduce((sum, turn) => sum + heightOf(turn, labels), 0) / some.length;
      return { x: LEFT + ((first + last) / 2) * scale, y: middle - REACH * height, place: first, last, label: commonest(some) };
    });
    return { name, voice, middle, points };
  });
  const turning = moods
    .map((mood) => ({ x: LEFT + mood.place * scale, middle: lanes.find((lane) => lane.name === mood.speaker)?.middle }))
    .filter((mark) => mark.middle);
  const [up, down] = labels.sided ? ["pleasant", "unpleasant"] : ["sure", "unsure"];
  return { width: WIDTH, height: TOP + LANE * lanes.length + 18, lanes, turning, up, down };
}

function heightOf(turn, labels) {
  if (!labels.sided) return turn.confidence === null ? 0 : 2 * turn.confidence - 1;
  const shares = Object.entries(turn.probabilities ?? { [turn.label]: 1 });
  return shares.reduce((sum, [name, share]) => sum + labels.sign(name) * share, 0);
}

function commonest(turns) {
  const counts = Map.groupBy(turns, (turn) => turn.label);
  return [...counts].reduce((most, one) => (one[1].length > most[1].length ? one : most))[0];
}

/** SVG for the page. `go` is called with a place; `colour`, if given, makes the file stand alone. */
export function drawArc({ width, height, lanes, turning, up, down }, labels, go, colour = null) {
  const paint = (name) => (colour ? colour(name) : null);
  const word = (x, y, text, more = {}) => draw("text", { x, y, fill: paint("muted"), ...more }, text);
  const svg = draw("svg", {
    class: "arc", viewBox: `0 0 ${width} ${height}`, role: "group", xmlns: colour ? "http://www.w3.org/2000/svg" : null,
    "aria-label": "Each speaker's emotions along the conversation", "font-family": colour ? "sans-serif" : null, "font-size": colour ? 11 : null,
  });
  lanes.forEach((lane, row) => {
    const voice = paint(`voice-${lane.voice}`);
    const group = draw("g", { class: `voice-${lane.voice}` });
    group.append(word(LEFT, lane.middle - 30, lane.name, { class: "name", fill: voice }));
    if (row === 0) {
      group.append(word(width - LEFT, lane.middle - 26, up, { "text-anchor": "end" }), word(width - LEFT, lane.middle + 36, down, { "text-anchor": "end" }));
    }
    group.append(draw("line", { class: "base", x1: LEFT, x2: width - LEFT, y1: lane.middle, y2: lane.middle, stroke: paint("line") }));
    const line = lane.points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    group.append(draw("polyline", { class: "line", points: line, fill: "none", stroke: voice }));
    group.append(...lane.points.map((point) => pointOf(point, lane, labels, go, paint)));
    svg.append(group);
  });
  for (const { x, middle } of turning) {
    svg.append(draw("line", { class: "turning", x1: x, x2: x, y1: middle - 32, y2: middle + 32, stroke: paint("orange"), "stroke-dasharray": "4 3" }));
  }
  svg.querySelector("a")?.setAttribute("tabindex", 0);
  return svg;
}

function pointOf({ x, y, place, last, label }, lane, labels, go, paint) {
  const turns = place === last ? `turn ${place + 1}` : `turns ${place + 1}–${last + 1}`;
  const said = `${lane.name}, ${turns}: ${labels.word(label)}`;
  const shape = { d: labels.shape(label), "fill-rule": "evenodd", transform: `translate(${(x - 6).toFixed(1)} ${(y - 6).toFixed(1)}) scale(.75)` };
  const path = draw("path", { ...shape, fill: paint(labels.family(label)) });
  if (!go) return draw("g", {}, draw("title", {}, said), path);
  const act = (event) => { event.preventDefault(); go(place); };
  const walk = (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") act(event);
    if (!way) return;
    event.preventDefault();
    const all = [...event.currentTarget.closest("svg").querySelectorAll("a")];
    const next = all[all.indexOf(event.currentTarget) + way];
    if (!next) return;
    event.currentTarget.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus();
  };
  return draw("a", {
    class: `point ${labels.family(label)}`, href: "#talk", tabindex: -1, "aria-label": said, on: { click: act, keydown: walk },
  }, draw("title", {}, said), draw("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 6, fill: "none", "pointer-events": "all" }), path);
}

/** The same as a picture, twice as large. */
export function paintArc({ width, height, lanes, turning, up, down }, labels, colour) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  pen.fillStyle = colour("paper");
  pen.fillRect(0, 0, width, height);
  const write = (text, x, y, paint, align = "left", font = "11px sans-serif") => {
    [pen.font, pen.fillStyle, pen.textAlign] = [font, paint, align];
    pen.fillText(text, x, y);
  };
  const line = (points, paint, dashes = []) => {
    pen.setLineDash(dashes);
    pen.strokeStyle = paint;
    pen.beginPath();
    points.forEach(([x, y]) => pen.lineTo(x, y));
    pen.stroke();
  };
  lanes.forEach(({ name, voice, middle, points }, row) => {
    write(name, LEFT, middle - 30, colour(`voice-${voice}`), "left", "bold 12px sans-serif");
    if (row === 0) {
      write(up, width - LEFT, middle - 26, colour("muted"), "right");
      write(down, width - LEFT, middle + 36, colour("muted"), "right");
    }
    line([[LEFT, middle], [width - LEFT, middle]], colour("line"));
    line(points.map(({ x, y }) => [x, y]), colour(`voice-${voice}`));
    for (const { x, y, label } of points) {
      pen.save();
      pen.translate(x - 6, y - 6);
      pen.scale(0.75, 0.75);
      pen.fillStyle = colour(labels.family(label));
      pen.fill(new Path2D(labels.shape(label)), "evenodd");
      pen.restore();
    }
  });
  for (const { x, middle } of turning) line([[x, middle - 32], [x, middle + 32]], colour("orange"), [4, 3]);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
