// Small drawings: a line over the rounds, and a share with its interval. The tables beside them say the same.

import { h, svg } from "./dom.js";
import { number, percent } from "./i18n.js";

const WIDTH = 300;
const HEIGHT = 130;
const LEFT = 40;
const BOTTOM = 20;
const TOP = 12;
const RIGHT = 34;

/**
 * @param {string} title
 * @param {{x: number, y: number|null}[]} points
 * @param {{share?: boolean, xLabel: string}} options `share` writes percentages from 0
 */
export function lineChart(title, points, { share = false, xLabel }) {
  const known = points.filter((point) => point.y !== null && point.y !== undefined);
  const words = (value) => (share ? percent(value) : number(value, 2));
  if (known.length < 2) return null;
  const ys = known.map((point) => point.y);
  const low = Math.min(0, ...ys);
  const high = Math.max(...ys, low + 1e-9);
  const first = known[0].x;
  const last = known[known.length - 1].x;
  const x = (value) => LEFT + ((value - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const path = known.map((point, i) => `${i ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join("");
  const end = known[known.length - 1];
  const drawing = svg("svg.chart", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${known.map((p) => words(p.y)).join(", ")}` },
    ...[low, high].map((value) => svg("line.grid", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) })),
    ...[low, high].map((value) => svg("text.tick", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end", text: words(value) })),
    svg("text.tick", { x: x(first), y: HEIGHT - 4, "text-anchor": "middle", text: number(first) }),
    svg("text.tick", { x: x(last), y: HEIGHT - 4, "text-anchor": "middle", text: number(last) }),
    svg("text.tick", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle", text: xLabel }),
    svg("path.line", { d: path }),
    ...known.map((point) => svg("circle.dot", { cx: x(point.x), cy: y(point.y), r: 2.6 }, svg("title", { text: `${number(point.x)}: ${words(point.y)}` }))),
    svg("text.last", { x: x(end.x) + 6, y: y(end.y) + 4, text: words(end.y) }));
  return h("figure.chart-box", {}, h("figcaption", { text: title }), drawing);
}

/**
 * A share with its interval: in words, and as a bar with whiskers.
 * @param {string} label @param {[number, number, number]} estimate value, lower and upper end
 * @param {string} remark
 */
export function intervalBar(label, [value, lower, upper], remark) {
  const x = (share) => 100 * share;
  const bar = svg("svg.interval", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect.rail", { x: 0, y: 2, width: 100, height: 6 }),
    svg("rect.fill", { x: 0, y: 2, width: x(value), height: 6 }),
    svg("line.whisker", { x1: x(lower), x2: x(upper), y1: 5, y2: 5 }),
    ...[lower, upper].map((end) => svg("line.whisker", { x1: x(end), x2: x(end), y1: 1.5, y2: 8.5 })));
  const words = h("p", {}, h("span", { text: label }), h("b", { text: percent(value) }), h("span.range", { text: `${percent(lower)} – ${percent(upper)}` }));
  return h("div.estimate", {}, words, bar, remark ? h("p.remark", { text: remark }) : null);
}
