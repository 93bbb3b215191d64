// What is shown while there is no question.

import { button, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { errorWords } from "./notices.js";

/**
 * @param {null|"planning"|"finished"|"others"} waiting
 * @param {Error|null} error
 * @param {() => void} retry
 */
export function waitingView(waiting, error, retry) {
  if (error) {
    return h("div.empty", {}, h("p.lead", {}, icon("warn"), h("span", { text: errorWords(error) })),
      button({ class: "primary", text: t("shell.retry"), on: { click: retry } }));
  }
  const state = waiting || "loading";
  const busy = state === "planning" || state === "loading" ? h("div.spinner", { "aria-hidden": "true" }) : null;
  const links = state === "finished" ? finishedLinks() : null;
  return h("div.empty", { data: { state } }, busy, h("h2", { text: t(`waiting.${state}.title`) }), h("p", { text: t(`waiting.${state}.text`) }), links);
}

function finishedLinks() {
  return h("p.links", {},
    h("a.primary", { href: "#/identities", text: t("waiting.see_identities") }),
    h("a.secondary", { href: "#/progress", text: t("waiting.see_progress") }));
}
