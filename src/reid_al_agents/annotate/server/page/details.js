// What is known of single pictures, which side they show and when they were taken, corrected in a dialog.

import { choose } from "./choice.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { edit } from "./page.js";
import { tile } from "./pictures.js";

const USUAL_SIDES = ["left", "right", "front", "back"];
const SHOWN = 8; // pictures

/**
 * Ask for side and date, and send what was changed. What is left as it is stays as it is.
 * @param {object[]} images they are brought up to date
 * @param {{sides: {name: string}[]}} session likewise
 * @param {string[]} [have] questions that the page holds
 * @returns {Promise<object|null>} the reply; null where nothing was changed
 */
export async function correctDetails(images, session, have = []) {
  const known = [common(images, "side"), common(images, "time")];
  const names = [...new Set([...session.sides.map(({ name }) => name), ...USUAL_SIDES.map((side) => t(`details.${side}`))])];
  const side = h("input", { id: "details-side", list: "details-sides", maxlength: 100, autocomplete: "off", value: known[0].value, placeholder: known[0].differs ? t("details.differ") : "" });
  const time = h("input", { id: "details-time", type: "datetime-local", step: 1, value: known[1].value.slice(0, 19) });
  const body = [
    h("div.act-pictures", {}, ...images.slice(0, SHOWN).map((image) => tile(image))),
    h("p", { text: t("details.text") }),
    h("div.details", {},
      h("label", { for: side.id, text: t("details.side") }), side, h("datalist", { id: "details-sides" }, ...names.map((value) => h("option", { value }))),
      h("label", { for: time.id, text: t("details.time") }), h("div", {}, time, known[1].differs ? h("span.remark", { text: t("details.differ") }) : null)),
  ];
  const before = [side.value, time.value];
  const answer = await choose(t("details.title", { n: images.length }), body, [{ value: "save", label: t("details.save"), primary: true }]);
  const changes = { ...(side.value.trim() !== before[0] && { side: side.value.trim() }), ...(time.value !== before[1] && { time: time.value }) };
  if (answer !== "save" || !Object.keys(changes).length) return null;
  const reply = await edit("/api/images/describe", { images: images.map(({ id }) => id), have, ...changes }, t("details.saved"));
  if (!reply) return null;
  reply.images.forEach((now, place) => Object.assign(images[place], now));
  Object.assign(session, reply.pool);
  return reply;
}

/** What all pictures have in common. */
function common(images, field) {
  const values = [...new Set(images.map((image) => image[field] || ""))];
  return { value: values.length === 1 ? values[0] : "", differs: values.length > 1 };
}
