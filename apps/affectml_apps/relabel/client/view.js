// Drawing: the page's elements are made once, and changed where something changed. All text goes in as text.

import { button, make } from "./elements.js";
import { COMMANDS, mirrored } from "./keys.js";
import { Languages } from "./languages.js";
import { Pad } from "./pad.js";
import { Search } from "./search.js";
import { StudyPart } from "./study.js";
import { _, direction, language, list, marked, ngettext, number } from "./texts.js";

const NOTICES = {
  unseen: marked("Not counted: the image has to be in view first."),
  damaged: marked("This image is damaged. Skip it, or flag it."),
  nothing: marked("Nothing is chosen yet. Choose labels, or “none of these”."),
  note: marked("Say in the note what is wrong with the image."),
  look: marked("Look a little longer before you answer."),
  full: marked("This browser has no room to keep the answer safely, so it was not taken. Free some space and press Enter again."),
  conflict: marked("This image was answered differently elsewhere under your name. Both answers are kept, and the lead decides."),
  first: marked("This is the first image."),
  fixed: marked("First answers stand here; you will be asked again."),
  break: marked("You have worked for a while. A break helps: Escape pauses."),
};
const KINDS = [
  ["none", marked("None of these"), "0"],
  ["unsure", marked("Unsure"), "."],
  ["skip", marked("Skip"), ","],
  ["flag", marked("Flag"), "!"],
];
const KIND_NAMES = new Map(KINDS);
const KEY_NAMES = { " ": marked("Space"), Enter: marked("Enter"), Backspace: marked("Backspace"), Escape: marked("Escape"), ArrowLeft: "←", ArrowRight: "→" };
const STRENGTHS = ["", marked("a little"), marked("clearly"), marked("strongly")];

// What is said of so many answers that wait in this browser.
const WAITING = {
  away: (n) => (n ? ngettext("The database is away: {n} unsaved, kept in this browser and sent when the server is back",
    "The database is away: {n} unsaved, kept in this browser and sent when the server is back", n)
    : _("The database is away: answers are kept in this browser and sent when the server is back")),
  offline: (n) => (n ? ngettext("Offline: {n} unsaved, kept in this browser and sent when the server is back",
    "Offline: {n} unsaved, kept in this browser and sent when the server is back", n)
    : _("Offline: answers are kept in this browser and sent when the server is back")),
};

export class View {
  // labels: [{label, name, key, group, tone, meaning, also}], in the order shown; task: question, instructions, settings;
  // languages: [{code, name}] to choose from; on: what to do about clicks; stage: where an earlier view shows the image.
  constructor(root, { labels, task, languages, on, stage }) {
    Object.assign(this, { labels, task, on });
    this.chips = new Map();
    this.zoom = "fit";
    this.root = root;
    root.lang = language();
    root.dir = direction();
    root.classList.toggle("strengths", Boolean(task.intensity));
    this.search = new Search(labels, this.chips, on.label);
    root.classList.toggle("many", this.search.many);
    this.languages = languages.length > 1 ? new Languages(languages, on.languages) : null;
    this.build(stage);
  }

  build(stage) {
    const { task, on } = this;
    this.study = task.study ? new StudyPart(task.study, on.understood) : null;
    this.stage = stage ?? make("div", { class: "stage", tabindex: "0", role: "group" });
    this.stage.setAttribute("aria-label", _("Image"));
    this.scale = make("span", { class: "scale" });
    this.waiting = make("p", { class: "waiting" });
    this.cover = button("", { class: "cover", "data-enter": "own", onclick: () => on.command(this.covered) });
    this.cover.hidden = true;
    this.pass = button(_("Skip this image"), { class: "pass", "data-enter": "own", onclick: () => on.command("pass") });
    this.pass.hidden = true;
    this.frame = make("div", { class: "frame" }, this.stage, this.waiting, this.cover, this.pass);
    this.question = make("h2", { class: "question", id: "question" }, task.question);
    this.ask = make("p", { class: "ask" });
    this.original = make("p", { class: "original" });
    this.suggestion = make("p", { class: "suggestion" });
    this.asked = make("div", { class: "asked", role: "group", "aria-labelledby": "question" },
      this.question, this.ask, this.original, this.suggestion, this.study?.came);
    this.groups = make("div", { class: "groups", role: "group", "aria-labelledby": "question" });
    this.buildChips();
    this.kinds = make("div", { class: "kinds", role: "group", "aria-label": _("Other answers") });
    for (const [kind, text, key] of KINDS) {
      if (kind === "none" && task.single) continue; // "reasonable or not" has no such answer
      const chip = this.chip(_(text), key, () => on.command(kind));
      this.chips.set(`kind:${kind}`, chip);
      this.kinds.append(chip);
    }
    this.note = make("input", {
      type: "text", class: "note", dir: "auto", maxlength: "2000", placeholder: _("What is wrong with the image?"),
      "aria-label": _("Note"), oninput: () => on.note(this.note.value), onkeydown: (event) => this.noteKey(event),
    });
    this.note.hidden = true;
    this.chosen = make("p", { class: "chosen" });
    this.pad = task.valenceArousal ? new Pad(on.feel) : null;
    this.saveButton = button(_("Save"), { class: "save", "aria-keyshortcuts": "Enter", onclick: () => on.command("save") });
    this.backButton = button(_("Back"), { "aria-keyshortcuts": "Backspace", onclick: () => on.command("back") });
    this.forwardButton = button(_("Forward"), { "aria-keyshortcuts": mirrored("ArrowRight"), onclick: () => on.command("forward") });
    this.choices = make("div", { class: "choices" }, this.groups, this.pad?.element);
    const actions = make("div", { class: "actions" }, this.backButton, this.forwardButton, this.saveButton);
    this.notice = make("p", { class: "notice", role: "status" });
    this.dropped = make("span", { role: "status" });
    this.droppedButton = button(_("Dismiss"), { "data-enter": "own", onclick: () => on.command("dismiss") });
    this.droppedButton.hidden = true;
    this.conflicts = make("div", { class: "refused conflicts" });
    this.status = make("p", { class: "status", role: "status" });
    this.progress = make("p", { class: "progress" });
    this.stock = make("p", { class: "stock" });
    this.bar = make("progress", { max: "1", value: "0", "aria-label": this.study ? _("Progress") : _("Progress of the team") });
    this.refused = make("div", { class: "refused" });
    const find = button(_("Find"), { class: "find", "aria-keyshortcuts": "/", onclick: () => on.command("search") });
    find.hidden = !this.search.many;
    const tools = make("div", { class: "tools" }, this.study?.button, find,
      button(_("Zoom"), { "aria-keyshortcuts": "Space", onclick: () => on.command("look") }),
      button(_("Pause"), { "aria-keyshortcuts": "Escape", onclick: () => on.command("pause") }),
      button(_("Help"), { "aria-keyshortcuts": "?", onclick: () => on.command("help") }), this.languages?.button);
    this.help = this.buildHelp();
    this.root.replaceChildren(
      make("div", { class: "left" }, this.frame,
        make("div", { class: "under" },
          make("div", { class: "how" }, this.bar, this.progress, this.scale), tools)),
      make("div", { class: "right" }, this.asked, this.search.field, this.search.says,
        this.choices, this.kinds, this.note, this.chosen, actions,
        make("div", { class: "says" }, this.notice, make("p", { class: "dropped" }, this.dropped, this.droppedButton),
          this.status, this.stock, make("div", { class: "alerts" }, this.study?.warning, this.conflicts, this.refused)),
        this.study?.beside),
      this.help, ...[this.study, this.languages].filter(Boolean).map((each) => each.dialog));
  }

  // Where somebody is on this page. In another language the same things stand in the same order.
  get place() {
    const { activeElement } = this.root.getRootNode();
    const { stage, choices, zoom, search } = this;
    return {
      open: this.dialogs.findIndex((each) => each.open),
      focus: this.targets.indexOf(activeElement),
      caret: [activeElement?.selectionStart, activeElement?.selectionEnd],
      typed: search.field.value,
      searching: search.field.dataset.open,
      zoom,
      scrolled: [stage.scrollLeft, stage.scrollTop, choices.scrollTop],
    };
  }

  // Draw everything, at a place where somebody was.
  drawAll(session, outbox, lock, { open, focus, caret, typed, searching, zoom, scrolled }) {
    this.drawItem(session);
    this.drawSelection(session);
    this.drawNotice(session);
    this.drawDropped(session);
    this.drawConflicts(session);
    this.drawState(session, lock);
    this.drawProgress(session, outbox);
    if (searching) this.search.open();
    this.search.field.value = typed;
    this.search.filter();
    this.zoom = zoom;
    this.fit();
    [this.stage.scrollLeft, this.stage.scrollTop, this.choices.scrollTop] = scrolled;
    this.dialogs[open]?.showModal();
    const at = this.targets[focus];
    at?.focus({ preventScroll: true });
    if (at?.matches(".note, .search")) at.setSelectionRange(...caret);
  }

  get dialogs() {
    return [...this.root.querySelectorAll("dialog")];
  }

  get targets() {
    return [...this.root.querySelectorAll("button, input, [tabindex]")];
  }

  chip(text, key, act, { meaning = null, language: lang = null } = {}) {
    const cap = key ? make("kbd", { "aria-hidden": "true" }, key) : null;
    const strength = make("span", { class: "strength" });
    const chip = button("", {
      class: "chip", "aria-pressed": "false", "aria-keyshortcuts": key, title: meaning, onclick: act,
    });
    const mark = make("span", { class: "mark", "aria-hidden": "true" }, "✓");
    chip.replaceChildren(...(cap ? [cap] : []), mark, make("span", { class: "name", dir: "auto", lang }, text), strength);
    return chip;
  }

  buildChips() {
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

  buildHelp() {
    const { task } = this;
    const keyName = (key) => _(KEY_NAMES[mirrored(key)] ?? key);
    const rows = COMMANDS.filter(([, command]) => !(command === "none" && task.single)).map(([key, , what]) =>
      make("tr", {}, make("td", {}, make("kbd", {}, keyName(key))), make("td", {}, _(what))));
    const meanings = this.labels.map(({ name, key, meaning }) =>
      make("tr", {}, make("td", {}, key ? make("kbd", {}, key) : ""), make("th", { scope: "row" }, make("bdi", {}, name)),
        make("td", {}, make("bdi", {}, meaning ?? ""))));
    return make("dialog", { class: "help", "aria-labelledby": "help-title" },
      make("div", { class: "top" }, make("h2", { id: "help-title" }, _("Help")),
        button(_("Close"), { "data-enter": "own", onclick: () => this.help.close(), autofocus: true })),
      task.instructions ? make("p", { class: "instructions" }, task.instructions) : null,
      make("p", { class: "strokes" }, _("By touch: stroke the image upwards or tap it twice to zoom, downwards to zoom back. Stroke it in the direction in which you read for the image before, against it to come back.")),
      make("div", { class: "columns", tabindex: "0", role: "group", "aria-label": _("Keys and labels") },
        make("table", {}, make("caption", {}, _("Keys")), make("tbody", {}, ...rows)),
        make("table", {}, make("caption", {}, _("Labels")), make("tbody", {}, ...meanings))),
      make("p", {}, _("Images that are on this device can be answered without a connection; answers wait here until it is back. Please do not reload the page until then: it would not open again. Your answers are safe.")),
      task.intensity ? make("p", {}, _("The same key again says how strongly: a little, clearly, strongly.")) : null);
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
    if (this.waiting.textContent !== text) this.waiting.textContent = text;
    this.waiting.hidden = text === "";
    this.frame.dataset.damaged = String(session.broken && part);
  }

  drawItem(session) {
    const { item } = session;
    const looks = { second: _("Second look."), again: _("Another round.") };
    this.ask.replaceChildren(...(item?.ask ? [make("q", {}, item.ask)] : [])); // in the language's own quotation marks
    this.original.textContent = item?.original ? _("The collection's own label: {label}", { label: item.original }) : "";
    const lines = [looks[item?.look]];
    if (item?.suggestion) lines.push(_("A model suggests: {labels}.", { labels: list(item.suggestion) }));
    lines.push(_("Your first answer is chosen; change it or keep it."));
    this.suggestion.textContent = looks[item?.look] ? lines.join(" ") : "";
    for (const line of [this.ask, this.original, this.suggestion]) line.hidden = !line.textContent;
    this.root.dataset.image = item?.image ?? "";
    this.root.dataset.round = item?.round ?? "";
    this.root.dataset.look = item?.look ?? "";
  }

  drawSelection(session) {
    const { labels, kind, flag, note, valence, arousal } = session.selection;
    for (const [name, chip] of this.chips) {
      const [type, value] = [name.slice(0, name.indexOf(":")), name.slice(name.indexOf(":") + 1)];
      const strength = type === "label" ? labels.get(value) : undefined;
      const on = type === "label" ? strength !== undefined : value === "flag" ? flag : kind === value;
      if ((chip.getAttribute("aria-pressed") === "true") !== on) chip.setAttribute("aria-pressed", String(on));
      const text = on && this.task.intensity && type === "label" ? _(STRENGTHS[strength]) : "";
      if (chip.lastChild.textContent !== text) chip.lastChild.textContent = text;
    }
    const answer = labels.size || kind || flag ? this.inWords({ kind, flag, labels: [...labels.keys()] }) : null;
    this.chosen.textContent = answer === null ? _("nothing chosen") : _("chosen: {answer}", { answer });
    // What is typed after the note was sent belongs to the next image, and not to a field that is gone.
    if (!flag && this.note.matches(":focus")) this.stage.focus({ preventScroll: true });
    this.note.hidden = !flag;
    if (this.note.value !== note) this.note.value = note;
    this.pad?.draw(valence, arousal);
  }

  // Nothing is asked any more.
  over(session) {
    return session.item === null && session.finished;
  }

  called(label) {
    return this.labels.find((each) => each.label === label)?.name ?? label;
  }

  drawState(session, lock) {
    this.root.dataset.over = String(this.over(session));
    this.saveButton.disabled = this.over(session);
    this.backButton.disabled = session.past.length === 0;
    this.forwardButton.disabled = session.at === null;
    this.saveButton.textContent = session.at === null ? _("Save") : _("Save the correction");
    this.root.dataset.state = !lock.held ? "elsewhere" : session.ready ? "ready" : session.paused ? "paused" : "waiting";
    this.root.dataset.at = session.at === null ? "" : String(session.at);
    const veiled = session.item !== null && !session.revealed;
    const behind = this.study !== null && !this.study.practice && this.over(session);
    this.covered = !lock.held ? "take" : session.paused ? "pause" : veiled ? "look" : "finish";
    this.cover.hidden = lock.held && !session.paused && !veiled && !behind;
    const warning = session.item?.warning ?? "";
    const COVERS = {
      take: _("You are labelling in another tab or window. Work here instead"), pause: _("Paused. Continue"),
      look: (warning && `${warning}\n\n`) + _("Show the image (space)"), finish: _("You have answered all your images. Go on"),
    };
    this.cover.textContent = COVERS[this.covered];
    this.cover.dataset.covers = this.covered;
    this.stage.dataset.veiled = String(veiled || session.paused || !lock.held);
    this.stage.dataset.warned = String(veiled && warning !== "");
    this.pass.hidden = !(this.covered === "look" && veiled && warning) || Boolean(this.study?.practice);
  }

  drawNotice(session) {
    const text = session.notice === null ? "" : _(NOTICES[session.notice]);
    if (this.notice.textContent !== text) this.notice.textContent = text;
  }

  drawDropped(session) {
    const n = session.early.dropped;
    this.dropped.textContent = n === 0 ? "" : ngettext("{n} key came before the image was visible and was not counted.",
      "{n} keys came before the image was visible and were not counted.", n);
    this.droppedButton.hidden = n === 0;
  }

  drawProgress(session, outbox) {
    this.drawWaiting(session);
    this.study?.draw(session);
    const { team, left, secondsEach } = session;
    const parts = [ngettext("{n} answered by you", "{n} answered by you", session.done)];
    if (secondsEach !== null) parts.push(_("{seconds} s each", { seconds: number(secondsEach, 1) }));
    if (team) {
      this.bar.value = team.wanted ? team.answered / team.wanted : 0;
      parts.push(ngettext("{answered} of {n} by all", "{answered} of {n} by all", team.wanted, { answered: number(team.answered) }));
      // Others may take some of what one could still be given, so one's own time is at most this.
      if (secondsEach === null && team.seconds_left > 0) parts.push(_("{time} left for all", { time: duration(team.seconds_left) }));
      if (secondsEach !== null && left > 0 && !this.over(session)) {
        parts.push(ngettext("at most {n} left for you: {time} at your pace", "at most {n} left for you: {time} at your pace",
          left, { time: duration(left * secondsEach) }));
      }
    }
    this.progress.textContent = parts.join(" · ");
    if (this.study) [this.progress.textContent, this.bar.value] = this.study.progress(session);
    const { here } = session;
    this.stock.hidden = Boolean(outbox.stopped) || (outbox.online && (here === 0 || Boolean(this.study?.practice)));
    this.stock.textContent = outbox.online ? ngettext("{n} image on this device", "{n} images on this device", here) : ngettext(
      "{n} image is on this device. Please do not reload the page now: it would not open again. Your answers are safe.",
      "{n} images are on this device. Please do not reload the page now: it would not open again. Your answers are safe.", here);
    const unsaved = outbox.waiting.size;
    let text = this.study?.practice ? "" : _("All answers saved");
    if (outbox.stopped) {
      text = [outbox.stopped, ...(unsaved ? [ngettext("({n} unsaved, kept in this browser)", "({n} unsaved, kept in this browser)", unsaved)] : [])].join(" ");
    } else if (!outbox.online) text = WAITING[outbox.away ? "away" : "offline"](unsaved);
    else if (unsaved) text = ngettext("{n} unsaved", "{n} unsaved", unsaved);
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.dataset.trouble = String(Boolean(outbox.stopped) || !outbox.online);
    this.root.dataset.unsaved = String(unsaved);
    this.drawRefused(outbox);
    this.languages?.draw(outbox.online);
  }

  drawRefused(outbox) {
    const shown = [...outbox.refused.keys()].join(" ");
    if (this.refused.dataset.shown === shown) return;
    this.refused.dataset.shown = shown;
    const notStored = (answer) => (answer.image === undefined ? _("Not stored: an answer given in this browser.")
      : _("Not stored: image {image}, {answer}.", { image: answer.image, answer: this.inWords(answer) }));
    this.refused.replaceChildren(...[...outbox.refused].map(([id, { answer, error }]) =>
      make("p", { role: "alert" }, notStored(answer), " ", _(error), " ",
        make("a", { download: `not-stored-${id}.json`, href: fileOf({ answer, error }) }, _("Keep as a file")), " ",
        button(_("Understood"), { "data-enter": "own", onclick: () => outbox.forgetRefused(id) }))));
  }

  // What a person answered, of whatever shape it came out of the browser's store.
  inWords({ kind, flag, labels }) {
    const flagged = flag ? [_("Flag")] : [];
    if (Array.isArray(labels) && labels.length) return list([...labels.map((label) => this.called(label)), ...flagged]);
    if (flag && (kind ?? "skip") === "skip") return _("Flag");
    return list([_(KIND_NAMES.get(kind) ?? String(kind)), ...flagged]);
  }

  // Answers to earlier images that met others: the notice names its image, and leads there.
  drawConflicts(session) {
    this.conflicts.replaceChildren(...session.conflicts.filter((entry) => entry !== session.past[session.at]).map((entry) =>
      make("p", { role: "alert" }, _("Answered differently elsewhere under your name: image {image}, {answer}. Both answers are kept, and the lead decides.",
        { image: entry.item.image, answer: this.inWords(entry.answer) }), " ",
        ...(entry.fixed ? [] : [button(_("Show it"), { "data-enter": "own", onclick: () => this.on.conflict(entry, true) }), " "]),
        button(_("Understood"), { "data-enter": "own", onclick: () => this.on.conflict(entry, false) }))));
  }

  // Zoom. Large images are shrunk to fit. Small photographs are enlarged smoothly, at most twice; drawings by a whole
  // number.

  // point: what to have in the middle where it is larger than its place, in parts of the image; else what is there now.
  fit(point = this.middle) {
    this.asked.tabIndex = this.asked.scrollHeight > this.asked.clientHeight ? 0 : -1; // what scrolls is reached by keys
    const picture = this.stage.firstChild;
    this.scale.textContent = "";
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
    this.scale.textContent = _("{width} × {height} pixels, shown at {percent} %",
      { width: picture.naturalWidth, height: picture.naturalHeight, percent: Math.round(scale * 100) });
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

const fileOf = (content) => `data:application/json,${encodeURIComponent(JSON.stringify(content, null, 2))}`;

function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return _("less than a minute");
  if (minutes < 90) return ngettext("{n} min", "{n} min", minutes);
  return _("{hours} h", { hours: number(minutes / 60, 1) });
}
