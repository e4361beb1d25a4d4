"""Replies as language models write them, by hand: each with what a person reads in it, or why it is refused.

Four labels: joy (also happiness), awe, fear and anger (also rage). By what was asked: sets, shares (of 20 people, how
many would choose each label, several perhaps; in the order of the labels), one (the same where people choose one label)
and ranking (best first). NOT_ALONE, by the reason: what is no JSON alone is refused, whatever was asked.
"""

from affectml.vlm.reply import Why

LABELS = ("joy", "awe", "fear", "anger")
SYNONYMS = {"joy": ("happiness",), "anger": ("rage",)}
FENCE = "```"
SAID = (0.6, 0.25, 0, 0.05)
FOUR = '"joy": 12, "awe": 5, "fear": 0, "anger": 1'
SHARES = '"joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05'


REPLIES = [
    # What is read: of sets and rankings the labels, of shares four numbers.
    ("joy awe", "sets", '{"labels": ["joy", "awe"]}', '{"Emotions": ["Joy", "AWE"]}', '["joy", "awe"]',
     '{"labels": {"joy": true, "awe": true, "fear": false, "anger": false}}'),
    ("", "sets", '{"labels": []}', '{"labels": ["none"]}', '{"labels": "none of these"}', "[]",
     f'\n{FENCE}JSON {{"labels": []}}{FENCE}\n', '{"joy": false, "awe": false, "fear": false, "anger": false}'),
    ("joy", "sets", '{"labels": "joy"}', '{"emotion": "happiness"}', f'{FENCE}json\n{{"labels": ["joy"]}}\n{FENCE}',
     '{"reasoning": "The dog plays.", "labels": ["joy"]}', '{"labels": ["joy"], "reason": "It shows 3 happy dogs"}',
     '{"labels": ["joy", "nostalgia"]}', '{"labels": ["joy", "JOY", "happiness"]}', '{"joy": "yes", "awe": "no"}'),
    ("joy fear", "sets", '{"labels": "joy and fear"}', '{"feelings": ["joy", "fear."]}',
     '{"joy": 1, "awe": 0, "fear": 1, "anger": 0}'),
    (SAID, "shares", f"{{{FOUR}}}", f'{{"shares": {{{SHARES}}}}}', f'{{"reasoning": "A dog.", "counts": {{{FOUR}}}}}',
     f'{{{FOUR}, "reason": "2 dogs"}}', '{"Joy": 12, "AWE": 5, "Fear": 0, "rage": 1}', f'{{{FOUR}, "nostalgia": 3}}',
     '{"joy": 0.6e0, "awe": 2.5e-1, "fear": 0, "anger": 5e-2}', f"{FENCE}json\n{{{FOUR}}}\n{FENCE}"),
    ((0, 0.5, 0, 1), "shares", '{"labels": {"joy": 0, "awe": 0.5, "fear": 0, "anger": 1}}'),
    ((1, 0, 0, 0), "shares", '{"joy": 1.0}', '{"joy": 1.0, "awe": 0.0, "fear": 0.0, "anger": 0.0}'),
    ((1, 1, 1, 1), "shares", '{"joy": 20, "awe": 20, "fear": 20, "anger": 20}'),
    ((0, 0, 0, 0), "shares", '{"joy": 0, "awe": 0, "fear": 0, "anger": 0}'),
    ((0.75, 0.25, 0, 0), "one", '{"joy": 15, "awe": 5}', '{"joy": 0.75, "awe": 0.25}'),
    ((1, 0, 0, 0), "one", '{"joy": 20}'),
    ("joy awe anger fear", "ranking", '{"ranking": ["joy", "awe", "anger", "fear"]}',
     '{"labels": ["joy", "awe", "anger", "fear"]}', '["joy", "awe", "anger", "fear"]',
     '{"ranking": "joy > awe > anger > fear"}'),
    ("joy anger", "ranking", '{"ranked": ["joy", "anger"]}', f'{FENCE}\n{{"ranking": ["Joy", "Rage"]}}\n{FENCE}'),
    # Fields that may say something else, two answers, and who was shown no image.
    (Why.MORE, "sets", '{"labels": ["joy", "awe"], "confidence": 0.8}', '{"not_present": ["fear"], "labels": ["awe"]}',
     '{"labels": ["fear"], "verdict": "rejected"}', '{"emotion": "joy", "applies": false}',
     '{"labels": ["joy"], "Labels": ["fear"]}', '{"labels": ["joy"], "fear": false}',
     '{"labels": ["joy"], "shares": {"awe": 0.9}}', '{"labels": ["joy"], "why": "a dog", "reason": "a smile"}',
     '{"labels": [], "reason": "I cannot view the image"}', '{"labels": ["none"], "reason": "I cannot see it"}'),
    (Why.MORE, "shares", '{"joy": 0, "awe": 0, "fear": 0, "anger": 0, "reason": "I see no image"}',
     f'{{"emotion": "joy", {FOUR}}}', f'{{"n": 20, {FOUR}}}',
     '{"labels": ["joy", "awe", "fear", "anger"], "shares": [0.6, 0.25, 0, 0.05]}'),
    (Why.MORE, "ranking", '{"order": "ascending", "ranking": ["anger", "fear", "awe", "joy"]}',
     '{"ranking": ["joy", "awe"], "scores": [0.1, 0.9]}'),
    # What stands beside a label is no number, and neither yes nor no.
    (Why.BESIDE, "sets", '{"joy": "maybe", "awe": "maybe"}', '{"answer": {"labels": ["joy"]}}', '{"votes": ["joy"]}',
     '{"joy": {"present": true}, "awe": {"present": false}}', '["joy", "60%", "awe", "40%"]',
     '{"labels": "[[\\"joy\\", 0.9], [\\"awe\\", 0.1]]"}'),
    (Why.BESIDE, "shares", '{"joy": "60%", "awe": "25 %", "fear": "0%", "anger": "5%"}',
     '{"joy": "12/20", "awe": "5 of 20", "fear": 0}', '{"joy": "60%", "awe": 0.25, "fear": 0, "anger": 5}',
     '{"joy": "twelve", "awe": "five", "fear": "zero", "anger": "one"}',
     '{"joy": NaN, "awe": 0.5, "fear": 0, "anger": 0.1}', '{"joy": 1e999, "awe": 0, "fear": 0, "anger": 0}',
     '{"joy": {"share": 0.6, "reason": "smiles"}, "awe": {"share": 0.25}}'),
    # JSON that names no label as an answer.
    (Why.NO_LABELS, "sets", "{}", '{"labels": null}', '{"labels": {}}', '{"mood": 3}', '{"inapplicable": ["fear"]}',
     '{"result": {"emotions": ["joy"]}}', '["joy", ["awe", 0.1]]', '{"joy": false}', '{"joy": null, "awe": null}',
     '[{"emotion": "joy", "present": true}, {"emotion": "fear", "present": false}]'),
    (Why.NO_LABELS, "shares", f'{{"children": {{{FOUR}}}, "adults": {{{FOUR}}}}}', '{"percentages": {"joy": 60}}',
     f"[{{{FOUR}}}]", '[{"label": "joy", "share": 0.6}, {"label": "awe", "share": 0.25}]'),
    (Why.NO_LABELS, "ranking", '{"worst_to_best": ["anger", "fear", "awe", "joy"]}', '{"1": "joy", "2": "awe"}',
     '{"ranking": {"joy": 1, "awe": 2}}', '{"ranking": [{"label": "anger", "rank": 2}, {"label": "awe", "rank": 1}]}'),
    # A label among other words, twice, beside none, or none that is known.
    (Why.AMONG, "sets", '{"labels": ["joy", "not fear"]}', '{"labels": "not fear, anger or awe"}', '["joy/fear"]',
     '{"answer": "{\\"labels\\": [\\"joy\\"]}"}', '["joy (strong)"]', '["joy and fear"]', '["maybe fear"]'),
    (Why.AMONG, "shares", '{"joy (%)": 60, "awe (%)": 25, "fear (%)": 0, "anger (%)": 5}', '["joy (60%)"]'),
    (Why.AMONG, "one", '{"joy": 12, "awe/fear": 8}'),
    (Why.AMONG, "ranking", '{"ranking": ["2. awe", "1. joy"]}', '{"ranking": "joy > awe = fear > anger"}',
     '{"ranking": ["joy", "awe (tied)", "fear"]}'),
    (Why.CONTRADICTS, "sets", '{"labels": ["joy", "none"]}', '{"anger": true, "rage": false, "joy": true}'),
    (Why.CONTRADICTS, "shares", f'{{{FOUR}, "JOY": 6}}'),
    (Why.CONTRADICTS, "ranking", '["joy", "awe", "happiness", "fear"]'),
    (Why.UNKNOWN_ONLY, "sets", '{"labels": ["nostalgia"]}'),
    (Why.UNKNOWN_ONLY, "ranking", '{"ranking": ["nostalgia"]}'),
    (Why.BROKEN, "sets", '{"labels": ["joy"], "labels": ["fear"]}'),
    (Why.BROKEN, "shares", '{"joy": 12, "awe": 5, "joy": 5, "fear": 0, "anger": 1}'),
    # Another form than was asked.
    (Why.NUMBERS, "sets", f"{{{SHARES}}}"),
    (Why.RANKED, "sets", '{"ranking": ["joy", "awe"]}'),
    (Why.LABELS, "shares", '{"labels": ["joy", "awe"]}', '{"ranking": ["joy"]}',
     '{"joy": true, "awe": false, "fear": false, "anger": false}'),
    (Why.UNRANKED, "ranking", f"{{{SHARES}}}", '{"joy": 2, "awe": 1, "fear": 4, "anger": 3}'),
    (Why.NO_MASS, "ranking", '{"ranking": []}', '{"ranking": ["none"]}'),
    # Numbers.
    (Why.NO_RATE, "sets", '{"joy": 0, "awe": 0}'),
    (Why.NO_RATE, "shares", '{"joy": 0.6, "awe": 0.25}', '{"joy": null, "awe": 5, "fear": 0, "anger": 1}',
     '{"joy": 1, "grief": 12}'),
    (Why.NO_RATE, "one", '{"joy": 0.4, "awe": 0.2}'),
    (Why.NO_SCALE, "shares", '{"joy": 20, "awe": 20, "fear": 20, "anger": 20, "grief": 20}',
     f'{{{FOUR}, "confidence": 0.7}}'),
    (Why.OUTSIDE, "shares", '{"joy": -0.6, "awe": 0.25}', '{"joy": 60, "awe": 25, "fear": 0, "anger": 5}'),
    (Why.NO_SCALE, "one", '{"joy": 60, "awe": 25, "fear": 10, "anger": 5}'),
    (Why.NO_SUM, "one", '{"joy": 12, "awe": 12, "fear": 12, "anger": 12}',
     '{"joy": 0.6, "awe": 0.6, "fear": 0.1, "anger": 0}'),
]  # fmt: skip

NOT_ALONE = {
    Why.EMPTY: ["", " \n"],
    Why.NO_JSON: [
        "Joy.", "joy > awe > fear > anger", '"joy"', "null", "- joy\n- anger", "<think>joy, surely",
        "I'm sorry, but I can't help with identifying feelings.", "joy: 12\nawe: 5\nfear: 0\nanger: 1",
    ],
    Why.BROKEN: [
        '{"labels": ["joy"', '{"labels": ["joy", "awe",]}', "{'labels': ['joy', 'awe']}", "{“labels”: [“joy”]}",
        "[joy, awe]", '{"joy": .6, "awe": .25}', '{"joy": 12, // smiles\n "awe": 5}',
        '{"labels": ["joy"]}\n{"labels": ["joy"]}', f'Here it is:\n{FENCE}\n{{"labels": ["joy"]}}\n{FENCE}',
        f'{FENCE}json\n{{"labels": ["joy"]}}\n{FENCE}\n{FENCE}json\n{{"labels": ["awe"]}}\n{FENCE}',
        '<think>{"labels": ["fear"]}? No.</think>\n{"labels": ["joy"]}',
        '<|channel|>analysis<|message|>["fear"]<|end|><|channel|>final<|message|>joy',
        '{"labels": ["joy"]}\n\nActually, my final answer is fear.', '{"joy": 12, "awe": 5} (of 40 votes)',
        "- [x] joy\n- [ ] awe",
        '{"labels": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
}  # fmt: skip
