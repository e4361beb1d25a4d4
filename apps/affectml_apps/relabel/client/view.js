// Drawing: the page's elements are made once, and changed where something changed. All text goes in as text.

import { button, dialog, make, say, table } from "./elements.js";
import { COMMANDS, mirrored } from "./input.js";
import { Pad } from "./pad.js";
import { Search } from "./search.js";
import { _, direction, language, list, marked, ngettext, number } from "./texts.js";

const NOTICES = {
  unseen: marked("Not counted: the image has to be in view first."),
  covered: marked("Uncover the image first."),
  damaged: marked("This image is damaged. Skip it, or flag it."),
  nothing: marked("Nothing is chosen yet. Choose labels, or “none of these”."),
  note: marked("Say in the note what is wrong with the image."),
  look: marked("Look a little longer before you answer."),
  full: marked("This browser has no room to keep the answer safely, so it was not taken. Free some space and press Enter again."),
  first: marked("This is the first image."),
  fixed: marked("First answers stand here; you will be asked again."),
  break: marked("You have worked for a while. A break helps: Escape pauses."),
};
const CHECKS = marked("Some images contain words that say what to choose, and some of your answers did not match them. Please look closely at each image before you answer.");
const KINDS = [
  ["none", marked("None of these"), "0"],
  ["unsure", marked("Unsure"), "."],
  ["skip", marked("Skip"), ","],
  ["flag", marked("Flag"), "!"],
];
const KIND_NAMES = new Map(KINDS);
const KEY_NAMES = { " ": marked("Space"), Enter: marked("Enter"), Backspace: marked("Backspace"), Escape: marked("Escape"), ArrowLeft: "←", ArrowRight: "→" };
const STRENGTHS = ["", marked("a little"), marked("clearly"), marked("strongly")];
const LOOKS = { second: marked("Second look."), again: marked("Another round.") };

// What is said of so many answers that wait in this browser.
const WAITING = {
  away: (n) => (n ? ngettext("The database is away: {n} answer waiting in this browser, sent when the server is back",
    "The database is away: {n} answers waiting in this browser, sent when the server is back", n)
    : _("The database is away: answers are kept in this browser and sent when the server is back")),
  offline: (n) => (n ? ngettext("Offline: {n} answer waiting in this browser, sent when the server is back",
    "Offline: {n} answers waiting in this browser, sent when the server is back", n)
    : _("Offline: answers are kept in this browser and sent when the server is back")),
};

export class View {
  // labels: [{label, name, key, group, tone, meaning, also}], in the order shown; task: question, instructions, settings,
  // study (its instructions as HTML); languages: [{code, name}] to choose from; on: what to do about clicks; stage: where
  // an earlier view shows the image.
  constructor(root, { labels, task, languages, on, stage }) {
    Object.assign(this, { root, labels, task, on });
    this.chips = new Map();
    this.zoom = "fit";
    root.lang = language();
    root.dir = direction();
    root.classList.toggle("strengths", Boolean(task.intensity));
    root.classList.toggle("many", labels.length > 12);
    this.search = new Search(labels, this.chips, task.negations, on.label);
    this.buildImage(stage);
    this.buildAnswers();
    this.buildWords();
    this.buildDialogs(languages);
    this.assemble();
    this.measure();
    document.fonts.ready.then(() => this.measure());
    const resized = new ResizeObserver(() => this.reach());
    for (const each of [this.asked, this.choices]) resized.observe(each);
  }

  buildImage(stage) {
    const { on } = this;
    this.stage = stage ?? make("div", { class: "stage", tabindex: "0", role: "group" });
    this.stage.setAttribute("aria-label", _("Image"));
    this.waiting = make("p", { class: "waiting" });
    this.why = make("p", { class: "why" });
    this.cover = button("", { class: "cover", "data-enter": "own", onclick: () => on.command(this.covered) });
    this.pass = button(_("Skip this image"), { class: "pass quiet", "data-enter": "own", onclick: () => on.command("pass") });
    this.over = make("div", { class: "over" }, this.why, this.cover, this.pass);
    this.over.hidden = true;
    this.notice = make("p", { class: "notice", role: "status" });
    this.frame = make("div", { class: "frame" }, this.stage, this.waiting, this.over, this.notice);
  }

  buildAnswers() {
    const { task, on } = this;
    this.groups = make("div", { class: "groups", role: "group", "aria-labelledby": "question" });
    this.buildLabels();
    this.pad = task.valenceArousal ? new Pad(on.feel) : null;
    this.choices = make("div", { class: "choices" }, this.groups, this.pad?.element);
    this.kinds = make("div", { class: "kinds", role: "group", "aria-label": _("Other answers") });
    for (const [kind, text, key] of KINDS) {
      if (kind === "none" && task.single) continue; // "reasonable or not" has no such answer
      const chip = this.chip(_(text), key, () => on.command(kind));
      chip.classList.add("quiet");
      this.chips.set(`kind:${kind}`, chip);
      this.kinds.append(chip);
    }
    this.note = make("input", {
      type: "text", class: "note", dir: "auto", maxlength: "2000", placeholder: _("What is wrong with the image?"),
      "aria-label": _("Note"), oninput: () => on.note(this.note.value), onkeydown: (event) => this.noteKey(event),
    });
    this.note.hidden = true;
    const does = (text, command, key, name) => button(text, { class: name, "aria-keyshortcuts": key, onclick: () => on.command(command) });
    this.backButton = does(_("Back"), "back", "Backspace", "quiet");
    this.forwardButton = does(_("Forward"), "forward", mirrored("ArrowRight"), "quiet");
    this.saveButton = does(_("Save"), "save", "Enter", "save");
    this.actions = make("div", { class: "actions" }, this.backButton, this.forwardButton, this.saveButton);
    const find = does(_("Find"), "search", "/", "quiet find");
    find.hidden = this.labels.length <= 12;
    this.tools = make("div", { class: "tools" }, find, does(_("Zoom"), "look", "Space", "quiet"),
      does(_("Pause"), "pause", "Escape", "quiet"), does(_("Help"), "help", "?", "quiet"));
  }

  buildLabels() {
    const groups = new Map();
    for (const each of this.labels) {
      const members = groups.get(each.group) ?? make("div", { class: "members" });
      if (!groups.has(each.group)) {
        groups.set(each.group, members);
        this.groups.append(make("div", { class: "group" }, each.group ? make("span", { class: "heading" }, each.group) : null, members));
      }
      const chip = this.chip(each.name, each.key, () => this.on.label(each.label), each);
      if (each.tone) chip.dataset.tone = each.tone;
      this.chips.set(`label:${each.label}`, chip);
      members.append(chip);
    }
  }

  chip(text, key, act, { meaning = null, language: lang = null } = {}) {
    const chip = button("", { class: "chip", "aria-pressed": "false", "aria-keyshortcuts": key, title: meaning, onclick: act });
    chip.replaceChildren(...(key ? [make("kbd", { "aria-hidden": "true" }, key)] : []),
      make("span", { class: "mark", "aria-hidden": "true" }, "✓"), make("span", { class: "name", dir: "auto", lang }, text),
      make("span", { class: "strength" }));
    return chip;
  }

  buildWords() {
    const { task, on } = this;
    const alert = () => make("p", { class: "suggestion", role: "alert" });
    this.progress = make("p", { class: "progress" });
    this.bar = make("progress", { max: "1", value: "0", "aria-label": _("Progress") });
    this.question = make("h2", { class: "question", id: "question" }, task.question);
    this.ask = make("p", { class: "ask" });
    this.original = make("p", { class: "original" });
    this.suggestion = make("p", { class: "suggestion" });
    this.came = task.practice ? alert() : null; // of the last try
    this.asked = make("div", { class: "asked", role: "group", "aria-labelledby": "question" },
      this.question, this.ask, this.original, this.suggestion, this.came);
    this.chosen = make("p", { class: "chosen" });
    this.dropped = make("p", { class: "dropped", role: "status" });
    this.status = make("p", { class: "status", role: "status" });
    this.stock = make("p", { class: "stock" });
    this.warning = make("p", { role: "alert" }, `${_(CHECKS)} `, this.understood(on.understood));
    this.warning.hidden = true;
    this.conflicts = make("div", { class: "conflicts" });
    this.refused = make("div", { class: "refused" });
    this.says = make("div", { class: "says" }, this.dropped,
      this.status, this.stock, make("div", { class: "alerts" }, this.warning, this.conflicts, this.refused));
  }

  understood(act) {
    return button(_("Understood"), { "data-enter": "own", onclick: act });
  }

  // What opens over the page: help, a study's instructions, languages; each but help has a button among the tools.
  buildDialogs(languages) {
    this.help = this.buildHelp();
    this.dialogs = [this.help];
    const opens = (element, text, attributes) => {
      this.dialogs.push(element);
      const opener = button(text, { "aria-haspopup": "dialog", "data-enter": "own", onclick: () => element.showModal(), ...attributes });
      opener.classList.add("quiet");
      return opener;
    };
    if (this.task.study) {
      const text = make("div", { class: "text" });
      text.innerHTML = this.task.study.instructions; // the server's own tags alone: all that people wrote is escaped in it
      // Where there is room under the answers; a small screen has the button alone.
      this.beside = make("div", { class: "beside", tabindex: "0", role: "region", "aria-label": _("Instructions") }, text.cloneNode(true));
      this.tools.prepend(opens(dialog("instructing", _("Instructions"), text), _("Instructions")));
    }
    if (languages.length < 2) return;
    const current = languages.find(({ code }) => code === language());
    const named = ({ code, name }) => make("bdi", { class: "own", lang: code }, name);
    this.away = make("p", { role: "status" });
    this.languages = languages.map((each) => button(named(each), {
      "aria-pressed": String(each === current), "data-enter": "own", onclick: () => {
        chooser.close();
        if (each !== current) this.on.language(each.code);
      },
    }));
    const chooser = dialog("languages", _("Language"), make("div", { class: "list" }, ...this.languages), this.away);
    this.tools.append(opens(chooser, "", {
      class: "language", "aria-label": _("Language: {name}", { name: current?.name ?? language() }), onclick: () => {
        chooser.showModal();
        this.languages[languages.indexOf(current)]?.focus();
        this.on.languages();
      },
    }));
  }

  buildHelp() {
    const { task } = this;
    const named = (key) => make("kbd", {}, _(KEY_NAMES[mirrored(key)] ?? key));
    const keys = COMMANDS.filter(([, command]) => !(command === "none" && task.single)).map(([key, , what]) => [named(key), _(what)]);
    const labels = this.labels.map(({ name, key, meaning }) => [key ? named(key) : "",
      make("th", { scope: "row" }, make("bdi", {}, name)), make("bdi", {}, meaning ?? "")]);
    return dialog("help", _("Help"),
      task.instructions ? make("p", { class: "instructions" }, task.instructions) : null,
      make("p", { class: "strokes" }, _("By touch: stroke the image upwards or tap it twice to zoom, downwards to zoom back. Stroke it in the direction in which you read for the image before, against it to come back.")),
      make("div", { class: "columns", tabindex: "0", role: "group", "aria-label": _("Keys and labels") },
        table({ caption: _("Keys") }, ...keys), table({ caption: _("Labels") }, ...labels)),
      make("p", {}, _("Images that are on this device can be answered without a connection; answers wait here until it is back. Please do not reload the page until then: it would not open again. Your answers are safe.")),
      task.intensity ? make("p", {}, _("The same key again says how strongly: a little, clearly, strongly.")) : null);
  }

  assemble() {
    this.root.replaceChildren(this.frame,
      make("div", { class: "strip" }, make("div", { class: "how" }, this.progress, this.bar), this.tools),
      make("div", { class: "panel" }, this.asked, this.search.field, this.search.says, this.choices, this.kinds, this.note,
        this.chosen, this.actions, this.says, this.beside ?? ""),
      ...this.dialogs);
  }

  // The columns of labels are as wide as the longest name.
  measure() {
    this.groups.classList.add("measured");
    const widths = this.labels.map(({ label }) => this.chips.get(`label:${label}`).getBoundingClientRect().width);
    this.groups.classList.remove("measured");
    const widest = Math.ceil(Math.max(...widths));
    if (widest > 0) this.root.style.setProperty("--widest", `${widest}px`); // at the end there are none in sight
    this.reach();
    this.fit();
  }

  // What scrolls is reached by keys; where all labels are in sight, so is what is chosen.
  reach() {
    const { root, asked, choices } = this;
    root.dataset.scrolls = "false";
    root.dataset.scrolls = String(choices.scrollHeight > choices.clientHeight);
    for (const each of [asked, choices]) each.tabIndex = each.scrollHeight > each.clientHeight ? 0 : -1;
  }

  // Changes

  showPicture(session, picture) {
    const element = session.item && picture ? picture.element : null;
    this.stage.replaceChildren(...(element ? [element] : []));
    this.zoom = "fit";
    this.fit();
    this.drawWaiting(session);
  }

  drawWaiting(session) {
    let text = "";
    const part = this.stage.firstChild !== null;
    if (session.broken) text = part ? _("This image is damaged: a part of it is missing. Skip it, or flag it.") : _("This image cannot be shown. Skip it, or flag it.");
    else if (session.item === null && session.finished) text = this.task.finished;
    else if (session.item === null) {
      text = session.outbox.online ? _("Loading the next image …")
        : session.outbox.away ? _("The server's database is away. The next image comes when it is back.")
          : _("No connection. The next image comes when the server is back.");
    }
    say(this.waiting, text);
    this.waiting.hidden = text === "";
    this.frame.dataset.damaged = String(session.broken && part);
  }

  draw(session, lock) {
    this.drawItem(session);
    this.drawSelection(session);
    this.drawNotices(session);
    this.drawState(session, lock);
  }

  drawItem(session) {
    const { item } = session;
    const look = LOOKS[item?.look];
    this.ask.replaceChildren(...(item?.ask ? [make("q", {}, item.ask)] : [])); // in the language's own quotation marks
    this.original.textContent = item?.original ? _("The collection's own label: {label}", { label: item.original }) : "";
    const suggested = item?.suggestion ? [_("A model suggests: {labels}.", { labels: list(item.suggestion) })] : [];
    this.suggestion.textContent = look ? [_(look), ...suggested, _("Your first answer is chosen; change it or keep it.")].join(" ") : "";
    for (const line of [this.ask, this.original, this.suggestion]) line.hidden = !line.textContent;
    for (const name of ["image", "round", "look"]) this.root.dataset[name] = item?.[name] ?? "";
  }

  drawSelection(session) {
    const { labels, kind, flag, note, valence, arousal } = session.selection;
    for (const [name, chip] of this.chips) {
      const [type, value] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
      const strength = type === "label" ? labels.get(value) : undefined;
      const on = type === "label" ? strength !== undefined : value === "flag" ? flag : kind === value;
      if ((chip.getAttribute("aria-pressed") === "true") !== on) chip.setAttribute("aria-pressed", String(on));
      say(chip.lastChild, on && this.task.intensity && type === "label" ? _(STRENGTHS[strength]) : "");
    }
    const answer = labels.size || kind || flag ? this.inWords({ kind, flag, labels: [...labels.keys()] }) : null;
    this.chosen.textContent = answer === null ? _("nothing chosen") : _("chosen: {answer}", { answer });
    // What is typed after the note was sent belongs to the next image, and not to a field that is gone.
    if (!flag && this.note.matches(":focus")) this.stage.focus({ preventScroll: true });
    this.note.hidden = !flag;
    if (this.note.value !== note) this.note.value = note;
    this.pad?.draw(valence, arousal);
  }

  called(label) {
    return this.labels.find((each) => each.label === label)?.name ?? label;
  }

  drawState(session, lock) {
    const { task, root } = this;
    const over = session.item === null && session.finished; // nothing is asked any more
    root.dataset.over = String(over);
    this.saveButton.disabled = over;
    this.backButton.disabled = session.past.length === 0;
    this.forwardButton.disabled = session.at === null;
    say(this.saveButton, session.at === null ? _("Save") : _("Save the correction"));
    root.dataset.state = !lock.held ? "elsewhere" : session.ready ? "ready" : session.paused ? "paused" : "waiting";
    const veiled = session.item !== null && !session.revealed;
    const behind = Boolean(task.study) && !task.practice && over;
    this.covered = !lock.held ? "take" : session.paused ? "pause" : veiled ? "look" : "finish";
    this.over.hidden = lock.held && !session.paused && !veiled && !behind;
    const warning = this.covered === "look" ? (session.item.warning ?? "") : "";
    const [why, act] = {
      take: [_("You are labelling in another tab or window."), _("Work here instead")],
      pause: [_("Paused."), _("Continue")],
      look: [warning, _("Show the image")],
      finish: [_("You have answered all your images."), _("Go on")],
    }[this.covered];
    say(this.why, why);
    say(this.cover, act);
    this.pass.hidden = warning === "" || Boolean(task.practice);
    this.stage.dataset.veiled = String(veiled || session.paused || !lock.held);
    this.stage.dataset.warned = String(veiled && Boolean(session.item.warning));
  }

  drawNotices(session) {
    const n = session.early.dropped;
    say(this.notice, session.notice === null ? "" : _(NOTICES[session.notice]));
    say(this.dropped, n === 0 ? "" : ngettext("{n} key came before the image was visible and was not counted.",
      "{n} keys came before the image was visible and were not counted.", n));
    listed(this.conflicts, session.conflicts, ({ item, event }) => `${item.image} ${event}`, (entry) => [
      _("Answered differently elsewhere under your name: image {image}, {answer}. Both answers are kept, and the lead decides.",
        { image: entry.item.image, answer: this.inWords(entry.answer) }), " ",
      this.understood(() => this.on.conflict(entry))]);
  }

  // How far one is, in a sentence and as a part of the whole, where that is known.
  howFar(session) {
    const { item, of, place } = session;
    if (this.task.practice) {
      if (item === null) return [_("Practice"), null];
      const images = ngettext("Practice: last image", "Practice: {n} images left", item.to_practise);
      return [[images, ngettext("one try", "{n} tries", item.revision)].join(" · "), null];
    }
    if (of === null) return ["", null]; // the server has not answered yet
    if (place === null) return [ngettext("{n} image answered", "{n} images answered", session.done), of ? session.done / of : 0];
    const values = { place: number(place), of: number(Math.max(of, place)) };
    return [_("Image {place} of {of}", values), of ? (place - 1) / of : 0];
  }

  drawProgress(session, outbox) {
    const { task, root } = this;
    this.drawWaiting(session);
    const [text, part] = this.howFar(session);
    say(this.progress, text);
    this.bar.hidden = part === null;
    this.bar.value = part ?? 0;
    const { here, practised } = session;
    if (practised && this.came) {
      const next = practised.tries_left ? ngettext("You have one more try for this image.", "You have {n} more tries for this image.", practised.tries_left)
        : _("On to the next image.");
      say(this.came, practised.right ? _("Correct.") : `${practised.feedback} ${next}`);
    }
    if (this.came) this.came.hidden = !practised;
    this.warning.hidden = !(task.study && session.warned);
    root.dataset.here = String(here);
    this.stock.textContent = outbox.online || outbox.stopped ? "" : ngettext(
      "{n} image is on this device. Please do not reload the page now: it would not open again. Your answers are safe.",
      "{n} images are on this device. Please do not reload the page now: it would not open again. Your answers are safe.", here);
    const unsaved = outbox.waiting.size;
    root.dataset.unsaved = String(unsaved);
    root.dataset.trouble = String(Boolean(outbox.stopped) || !outbox.online);
    const kept = unsaved ? [ngettext("({n} answer waiting in this browser)", "({n} answers waiting in this browser)", unsaved)] : [];
    if (outbox.stopped) say(this.status, [outbox.stopped, ...kept].join(" "));
    else if (!outbox.online) say(this.status, WAITING[outbox.away ? "away" : "offline"](unsaved));
    else say(this.status, unsaved ? ngettext("{n} answer waits to be sent", "{n} answers wait to be sent", unsaved) : "");
    this.drawRefused(outbox);
    if (!this.languages) return;
    this.away.textContent = outbox.online ? "" : _("Another language needs a connection, and there is none.");
    for (const choice of this.languages) choice.disabled = !outbox.online;
  }

  drawRefused(outbox) {
    listed(this.refused, [...outbox.refused], ([id]) => id, ([id, { answer, error }]) => [
      _("Not stored: image {image}, {answer}.", { image: answer.image, answer: this.inWords(answer) }), " ", _(error), " ",
      make("a", { download: `not-stored-${id}.json`, href: fileOf({ answer, error }) }, _("Keep as a file")), " ",
      this.understood(() => outbox.forgetRefused(id))]);
  }

  // What a person answered, of whatever shape it came out of the browser's store.
  inWords({ kind, flag, labels }) {
    const flagged = flag ? [_("Flag")] : [];
    if (Array.isArray(labels) && labels.length) return list([...labels.map((label) => this.called(label)), ...flagged]);
    if (flag && (kind ?? "skip") === "skip") return _("Flag");
    return list([_(KIND_NAMES.get(kind) ?? String(kind)), ...flagged]);
  }

  // Zoom. Large images are shrunk to fit. Small photographs are enlarged smoothly, at most twice; drawings by a whole
  // number.

  // point: what to have in the middle where it is larger than its place, in parts of the image; else what is there now.
  fit(point = this.middle) {
    const picture = this.stage.firstChild;
    if (!picture) return;
    picture.alt = _("The image to label");
    const room = Math.min(this.stage.clientWidth / picture.naturalWidth, this.stage.clientHeight / picture.naturalHeight);
    const fits = room < 1 ? room : picture.dataset.drawing === "true" ? Math.floor(room) : Math.min(room, 2);
    const scale = this.zoom === "fit" ? fits : Math.max(fits * 2, 1);
    picture.style.inlineSize = `${Math.max(Math.round(picture.naturalWidth * scale), 1)}px`;
    picture.style.imageRendering = scale >= 2 && picture.dataset.drawing === "true" ? "pixelated" : "auto";
    this.stage.dataset.zoom = this.zoom;
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = this.stage;
    this.stage.scrollTo(scrollWidth * point[0] - clientWidth / 2, scrollHeight * point[1] - clientHeight / 2);
  }

  get middle() {
    const { scrollLeft, scrollWidth, clientWidth, scrollTop, scrollHeight, clientHeight } = this.stage;
    return [(scrollLeft + clientWidth / 2) / scrollWidth, (scrollTop + clientHeight / 2) / scrollHeight];
  }

  toggleZoom(point) {
    this.zoom = this.zoom === "fit" ? "close" : "fit";
    this.fit(point);
  }

  // The note, and help

  noteKey(event) {
    if ((event.key !== "Enter" && event.key !== "Escape") || event.isComposing) return;
    event.preventDefault();
    // An empty note keeps the focus: people go on typing it, and what they type must not become answers.
    if (event.key === "Enter") this.on.command("save");
    else this.stage.focus({ preventScroll: true });
  }

  toggleHelp() {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }
}

// Alerts, one an entry; drawn anew where they are others, so that what is read or pressed stays.
function listed(element, entries, nameOf, wordsOf) {
  const names = entries.map(nameOf).join("\n");
  if (element.dataset.shown === names) return;
  element.dataset.shown = names;
  element.replaceChildren(...entries.map((entry) => make("p", { role: "alert" }, ...wordsOf(entry))));
}

const fileOf = (content) => `data:application/json,${encodeURIComponent(JSON.stringify(content, null, 2))}`;
