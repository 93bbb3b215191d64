// Who answers, how fast, how reliably; an admin revokes tokens here.

import { card, table } from "./cards.js";
import { button, h } from "./dom.js";
import { number, percent, t } from "./i18n.js";

const HEADS = ["name", "answers", "error_rate", "weight", "per_minute", "median", "agreement", "match_rate"];

/**
 * @param {object[]} annotators who has answered
 * @param {string[]} tokens who has a token that may be revoked; empty for all but an admin
 * @param {(name: string) => void} revoke
 */
export function peopleCard(annotators, tokens, revoke) {
  const rows = annotators.map(figures);
  const silent = tokens.filter((name) => !annotators.some((who) => who.name === name));
  rows.push(...silent.map((name) => [name, number(0), ...HEADS.slice(2).map(() => "–")]));
  const heads = HEADS.map((key) => t(`people.${key}`));
  if (tokens.length) {
    heads.push(t("people.token"));
    for (const row of rows) row.push(tokens.includes(row[0]) ? revoking(row[0], revoke) : t("people.no_token"));
  }
  const wide = card(t("people.title"), table(t("people.title"), heads, rows), h("p.remark", { text: t("people.weight_text") }));
  wide.classList.add("wide");
  return wide;
}

function revoking(name, revoke) {
  return button({ class: "secondary small", "aria-label": t("people.revoke_of", { name }), data: { name: `revoke-${name}` }, text: t("people.revoke"), on: { click: () => revoke(name) } });
}

function figures(who) {
  return [
    who.name,
    number(who.answers),
    who.error_rate === null ? "–" : percent(who.error_rate),
    percent(who.weight),
    who.per_minute === null ? "–" : number(who.per_minute),
    who.median_seconds === null ? "–" : t("time.seconds", { seconds: who.median_seconds }),
    who.agreement ? t("people.kappa", { kappa: number(who.agreement.kappa, 2), with: who.agreement.with, n: who.agreement.pairs }) : "–",
    who.match_rate === null ? "–" : percent(who.match_rate),
  ];
}
