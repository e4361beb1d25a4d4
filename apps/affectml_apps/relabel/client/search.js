// Searching the labels: whole words and beginnings first, and never the opposite of what was meant. Enter chooses the
// label that is marked, and no other. The rule is that of affectml/taxonomies/near.py; one test asks both.

import { make } from "./elements.js";
import { _ } from "./texts.js";

const NEGATED = /^(?:(?:un|dis|in|im|il|ir|non|mis|anti)[^ ]|[^ ]+less(?:ly|ness)?(?: |$))/;
const NEGATING = /(?:^| )(?:no|not|non|never|without|lack|loss|absence|un|dis|mis|anti)(?: |$)/;

// As people type a name: without accents, in whatever case, composed or not; signs between words are blanks.
export function folded(text) {
  const bare = text.normalize("NFKD").replace(/\p{M}/gu, "");
  const small = bare.toLowerCase().toUpperCase().toLowerCase(); // ẞ, ß and ss; σ and ς
  return small.replace(/[\s_\-/,;:.()]+/g, " ").trim();
}

// How what was typed fits a name: 0 whole words, 1 where a word begins, 2 within one, null not at all.
export function rank(typed, called) {
  const [wanted, name] = [folded(typed), folded(called)];
  let best = null;
  for (let at = wanted ? name.indexOf(wanted) : -1; at >= 0; at = name.indexOf(wanted, at + 1)) {
    const first = name.lastIndexOf(" ", at - 1) + 1;
    const rest = name.slice(at + wanted.length);
    if (NEGATING.test(name.slice(0, first)) || /^(?:less|free| (?:less|free)(?: |$))/.test(rest)) continue;
    if (at !== first && NEGATED.test(name.slice(first))) continue;
    const fit = at !== first ? 2 : Number(/^[^ ]/.test(rest));
    best = Math.min(best ?? fit, fit);
  }
  return best;
}

export class Search {
  // labels as the view has them, with their chips; choose(label) is told of Enter on the marked one.
  constructor(labels, chips, choose) {
    Object.assign(this, { labels, chips, choose, best: null });
    this.many = labels.length > 12;
    this.field = make("input", {
      type: "search", class: "search", placeholder: _("Search labels ( / )"), "aria-label": _("Search labels"),
      autocomplete: "off", spellcheck: "false",
      oninput: () => this.filter(), onkeydown: (event) => this.key(event),
    });
    this.field.hidden = !this.many;
    this.says = make("p", { class: "found", role: "status" });
  }

  // The name by which a label fits, and how well; a label's own names before its group and its synonyms.
  fit({ name, label, group, also }) {
    const found = [name, label, ...(group ? [group] : []), ...also].map((called) => ({ called, fit: rank(this.field.value, called) }));
    return found.filter(({ fit }) => fit !== null).sort((a, b) => a.fit - b.fit)[0] ?? null;
  }

  filter() {
    const typed = this.field.value.trim() !== "";
    this.best = null;
    let least = Infinity;
    for (const each of this.labels) {
      const found = typed ? this.fit(each) : null;
      const chip = this.chips.get(`label:${each.label}`);
      const synonym = found && each.also.includes(found.called) ? ` (${found.called})` : "";
      chip.hidden = typed && found === null;
      chip.querySelector(".name").replaceChildren(each.name, ...(synonym ? [make("small", {}, synonym)] : []));
      if (found && found.fit < least) [least, this.best] = [found.fit, { ...each, synonym }];
    }
    for (const { label } of this.labels) {
      this.chips.get(`label:${label}`).toggleAttribute("data-best", label === this.best?.label);
    }
    if (!typed) this.says.textContent = "";
    else this.says.textContent = this.best ? _("Enter: {label}", { label: `${this.best.name}${this.best.synonym}` }) : _("No label fits.");
  }

  key(event) {
    if ((event.key !== "Enter" && event.key !== "Escape") || event.isComposing) return;
    event.preventDefault();
    if (event.key === "Enter" && this.best) this.choose(this.best.label);
    this.close();
  }

  open() {
    this.field.hidden = false;
    this.field.dataset.open = "true";
    this.field.focus();
  }

  close() {
    if (this.field.value) {
      this.field.value = "";
      this.filter();
    }
    this.field.blur();
    this.field.hidden = !this.many;
    delete this.field.dataset.open;
  }
}
