// Searching the labels: whole words and beginnings first, and never the opposite of what was meant. Enter chooses the
// label that is marked, and no other. What negates a word in a language is in affectml/taxonomies/_names.py.

import { keys, make } from "./elements.js";
import { _ } from "./texts.js";

const NEVER = "(?!)";
const LETTERS = { œ: "o", æ: "a", ى: "ي", ة: "ه", ـ: "" };

// As people type a name: without accents, in whatever case, composed or not; signs between words are blanks. ä and ae
// are one, as are hiragana and katakana, and Arabic's forms of alef; the article in front of an Arabic word is left out.
export function folded(text) {
  const small = text.toLowerCase().toUpperCase().toLowerCase(); // ẞ, ß and ss; σ and ς
  const bare = small.replace(/(^|\s)ال(?=\S{2})/g, "$1").normalize("NFKD").replace(/(?![\u3099\u309a])\p{M}/gu, "");
  const same = bare.replace(/[œæىةـ]/g, (letter) => LETTERS[letter])
    .replace(/[\u30a1-\u30f6]/g, (katakana) => String.fromCharCode(katakana.charCodeAt(0) - 0x60));
  return same.replace(/[\s_\-/,;:.()،؛・、]+/g, " ").replace(/([aou])e/g, "$1").trim();
}

// How what was typed fits a name: 0 whole words, 1 where a word begins, 2 within one, null not at all. negations: how, in
// the name's language, a word, what stands before a part of a name, and what stands after it says the opposite.
export function rank(typed, called, negations) {
  const [wanted, name] = [folded(typed), folded(called)];
  const [word, before, after] = negations ?? [NEVER, NEVER, NEVER];
  const [negated, follows] = [word, after].map((each) => new RegExp(`^(?:${each})`));
  const stands = new RegExp(before);
  let best = null;
  for (let at = wanted ? name.indexOf(wanted) : -1; at >= 0; at = name.indexOf(wanted, at + 1)) {
    const first = name.lastIndexOf(" ", at - 1) + 1;
    const rest = name.slice(at + wanted.length);
    if (stands.test(name.slice(0, at)) || follows.test(rest)) continue;
    if (at !== first && negated.test(name.slice(first))) continue;
    const fit = at !== first ? 2 : Number(/^[^ ]/.test(rest));
    best = Math.min(best ?? fit, fit);
  }
  return best;
}

export class Search {
  // labels as the view has them, with their chips; negations by language; choose(label) is told of Enter on the marked one.
  constructor(labels, chips, negations, choose) {
    Object.assign(this, { labels, chips, negations, choose, best: null });
    this.field = make("input", {
      type: "search", class: "search", hidden: true, dir: "auto", placeholder: _("Search labels ( / )"), "aria-label": _("Search labels"),
      autocomplete: "off", spellcheck: "false",
      oninput: () => this.filter(), onkeydown: keys({ Enter: () => this.take(), Escape: () => this.close() }),
    });
    this.says = make("p", { class: "found", role: "status" });
  }

  // The name by which a label fits, and how well; a label's own names before its group and its other names.
  fit({ name, language, label, group, also }) {
    const names = [[name, language], [label, "en"], [group, language], ...also];
    const found = names.map(([called, spoken]) => ({ called, fit: rank(this.field.value, called, this.negations[spoken.split("-")[0]]) }));
    return found.filter(({ fit }) => fit !== null).sort((a, b) => a.fit - b.fit)[0] ?? null;
  }

  filter() {
    const typed = this.field.value.trim() !== "";
    this.best = null;
    let least = Infinity;
    for (const each of this.labels) {
      const found = typed ? this.fit(each) : null;
      const chip = this.chips.get(`label:${each.label}`);
      const synonym = found && each.also.some(([called]) => called === found.called) ? ` (${found.called})` : "";
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

  take() {
    if (this.best) this.choose(this.best.label);
    this.close();
  }

  open() {
    this.field.hidden = false;
    this.field.focus();
  }

  close() {
    if (this.field.value) {
      this.field.value = "";
      this.filter();
    }
    this.field.blur();
    this.field.hidden = true;
  }
}
