"""Replies as language models write them, by hand, each with what a person reads in it, and how each ends.

Four labels: joy (also happiness), awe, fear and anger (also rage). SETS: replies where labels were asked, each with
its set. SHARES: where of 20 people those were asked who would choose each label, several perhaps, each with the shares
of the four in that order. ONE: the same where people choose one label. RANKINGS: best first. NONE: what no person could
use with confidence, by what was asked. TRAPS: what is easily read as something else, each with what was asked (one:
shares where people choose one label) and a person's reading, None where nobody could tell; to refuse them is right too.

All of these are JSON alone, which is read as a person reads it, or refused for the reason that stands last beside it.
NOT_ALONE, by the reason: what is no JSON alone is refused, whatever was asked.
"""

from affectml.vlm.reply import Why

LABELS = ("joy", "awe", "fear", "anger")
SYNONYMS = {"joy": ("happiness",), "anger": ("rage",)}
FENCE = "```"
SAID = (0.6, 0.25, 0, 0.05)

SETS = [
    ('{"labels": ["joy", "awe"]}', "joy awe"),
    ('{"labels": []}', ""),
    ('{"labels": ["none"]}', ""),
    ('{"labels": "joy"}', "joy"),
    ('{"labels": "joy, awe and fear"}', "joy awe fear"),
    ('{"label": "joy"}', "joy"),
    ('{"emotion": "happiness"}', "joy"),
    ('{"Emotions": ["Joy", "AWE"]}', "joy awe"),
    ('{"feelings": ["fear."]}', "fear"),
    ('["joy", "awe"]', "joy awe"),
    ("[]", ""),
    (f'{FENCE}json\n{{"labels": ["joy"]}}\n{FENCE}', "joy"),
    (f'\n{FENCE}JSON {{"labels": []}}{FENCE}\n', ""),
    ('{"reasoning": "The dog plays.", "labels": ["joy"]}', "joy"),
    ('{"labels": ["joy"], "reason": "It shows 3 happy dogs"}', "joy"),
    ('{"labels": ["joy", "awe"], "confidence": 0.8}', "joy awe", Why.MORE),
    ('{"label": "joy", "confidence": 0.55}', "joy", Why.MORE),
    ('{"label": "joy", "confidence": "high"}', "joy", Why.MORE),
    ('{"labels": [{"label": "joy", "confidence": 0.9}, {"label": "awe", "confidence": 0.7}]}', "joy awe", Why.MORE),
    ('{"labels": [{"label": "joy", "reason": "smiles"}, {"label": "awe", "reason": "height"}]}', "joy awe", Why.BESIDE),
    ('{"labels": [{"name": "joy"}]}', "joy"),
    ('{"answer": {"labels": ["joy"]}}', "joy"),
    ('{"result": {"emotions": ["joy", "fear"]}}', "joy fear"),
    ('{"response": ["joy", "fear"]}', "joy fear"),
    ('{"image": "7.jpg", "labels": ["awe"]}', "awe"),
    ('{"joy": true, "awe": false, "fear": false, "anger": true}', "joy anger"),
    ('{"joy": "yes", "awe": "no", "fear": "no", "anger": "no"}', "joy"),
    ('{"joy": 1, "awe": 0, "fear": 0, "anger": 1}', "joy anger"),
    ('{"labels": {"joy": true, "awe": true, "fear": false, "anger": false}}', "joy awe"),
    ('{"joy": {"present": true, "reason": "smiles"}, "awe": {"present": false}}', "joy"),
    ('[{"emotion": "joy", "present": true}, {"emotion": "fear", "present": false}]', "joy"),
    ('[{"label": "joy", "answer": "yes"}, {"label": "awe", "answer": "no"}]', "joy"),
    ('{"joy": false, "awe": false, "fear": false, "anger": false}', ""),
    ('{"joy": 0, "awe": 0, "fear": 0, "anger": 0}', ""),
    ('{"labels": ["joy", "nostalgia"]}', "joy"),
    ('{"answer": "{\\"labels\\": [\\"joy\\"]}"}', "joy"),
    ('{"primary_emotion": "joy", "secondary_emotions": ["awe"]}', "joy awe", Why.NO_LABELS),
    ('{"selected": [], "ruled_out": ["fear", "anger"]}', "", Why.MORE),
    ('[{"emotion": "awe", "verdict": "Yes"}, {"emotion": "fear", "verdict": "No"}]', "awe", Why.MORE),
]

SHARES = [
    ('{"joy": 12, "awe": 5, "fear": 0, "anger": 1}', SAID),
    ('{"joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05}', SAID),
    ('{"joy": 60, "awe": 25, "fear": 0, "anger": 5}', SAID),
    ('{"joy": "60%", "awe": "25%", "fear": "0%", "anger": "5%"}', SAID),
    ('{"joy": "60 %", "awe": "25 %", "fear": "0 %", "anger": "5 %"}', SAID),
    ('{"joy": "60 percent", "awe": "25 percent", "fear": "0", "anger": "5 percent"}', SAID),
    ('{"joy": "12/20", "awe": "5/20", "fear": "0/20", "anger": "1/20"}', SAID),
    ('{"joy": "12 of 20", "awe": "5 of 20", "fear": "0 of 20", "anger": "1 of 20"}', SAID),
    ('{"joy": "12 out of 20", "awe": "5 out of 20", "fear": 0, "anger": 0}', (0.6, 0.25, 0, 0)),
    ('{"joy": "12 people", "awe": "5 people", "fear": "0 people", "anger": "1 person"}', SAID),
    ('{"n": 20, "joy": 12, "awe": 5, "fear": 0, "anger": 1}', SAID),
    ('{"n": 40, "joy": 24, "awe": 10, "fear": 0, "anger": 2}', SAID),
    ('{"total": 20, "votes": {"joy": 12, "awe": 5, "fear": 0, "anger": 1}}', SAID),
    ('{"n": 20, "joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05}', SAID),
    ('{"answer": {"joy": 12, "awe": 5, "fear": 0, "anger": 1}}', SAID),
    ('{"answer": {"emotions": {"joy": 12, "awe": 5, "fear": 0, "anger": 1}}}', SAID),
    ('{"image_1": {"joy": 12, "awe": 5, "fear": 0, "anger": 1}}', SAID),
    ('{"emotions": {"joy": 0.6, "awe": 0.25, "fear": 0.0, "anger": 0.05}}', SAID),
    ('{"shares": {"joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05}}', SAID),
    ('{"percentages": {"joy": 60, "awe": 25, "fear": 0, "anger": 5}}', SAID),
    ('{"probabilities": {"joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05}}', SAID),
    ('{"reasoning": "A dog.", "counts": {"joy": 12, "awe": 5, "fear": 0, "anger": 1}}', SAID),
    ('{"labels": [{"label": "joy", "share": 0}, {"label": "awe", "share": 0.5}, {"label": "fear", "share": 0}, '
     '{"label": "anger", "share": 1}]}', (0, 0.5, 0, 1)),
    ('{"labels": [{"label": "joy", "count": 12}, {"label": "awe", "count": 5}, {"label": "fear", "count": 0}, '
     '{"label": "anger", "count": 1}]}', SAID),
    ('[{"emotion": "joy", "percentage": 60}, {"emotion": "awe", "percentage": 25}, {"emotion": "fear", '
     '"percentage": 0}, {"emotion": "anger", "percentage": 5}]', SAID),
    ('[{"emotion": "joy", "score": 0.6}, {"emotion": "awe", "score": 0.25}, {"emotion": "fear", "score": 0}, '
     '{"emotion": "anger", "score": 0.05}]', SAID),
    ('[{"name": "joy", "votes": 12, "n": 20}, {"name": "awe", "votes": 5, "n": 20}, {"name": "fear", "votes": 0, '
     '"n": 20}, {"name": "anger", "votes": 0, "n": 20}]', (0.6, 0.25, 0, 0)),
    ('[{"label": "joy", "n": 12}, {"label": "awe", "n": 5}, {"label": "fear", "n": 0}, {"label": "anger", "n": 0}]',
     (0.6, 0.25, 0, 0)),
    ('[["joy", 0.6], ["awe", 0.25], ["fear", 0], ["anger", 0.05]]', SAID),
    ('[["joy", "60%"], ["awe", "25%"], ["fear", "0%"], ["anger", "5%"]]', SAID),
    ('{"labels": ["joy: 60%", "awe: 25%", "fear: 0%", "anger: 5%"]}', SAID, Why.LABELS),
    ('["joy (60%)", "awe (25%)", "fear (0%)", "anger (5%)"]', SAID, Why.LABELS),
    ('{"labels": ["joy", "awe", "fear", "anger"], "shares": [0.6, 0.25, 0, 0.05]}', SAID),
    ('{"labels": ["joy", "awe", "fear", "anger"], "counts": [12, 5, 0, 1]}', SAID),
    ('[{"joy": 12}, {"awe": 5}, {"fear": 0}, {"anger": 1}]', SAID),
    ('[{"joy": 12, "awe": 5, "fear": 0, "anger": 1}]', SAID),
    ('{"joy": {"share": 0.6, "reason": "smiles"}, "awe": {"share": 0.25, "reason": "3 hills"}, "fear": {"share": 0}, '
     '"anger": {"share": 0.05}}', SAID),
    ('{"joy": {"count": 12}, "awe": {"count": 5}, "fear": {"count": 0}, "anger": {"count": 1}}', SAID),
    ('{"joy": {"percent": 60}, "awe": {"percent": 25}, "fear": {"percent": 0}, "anger": {"percent": 5}}', SAID),
    ('{"joy": 0.9, "others": 0}', (0.9, 0, 0, 0), Why.NO_RATE),
    ('{"joy": 1.0}', (1, 0, 0, 0)),
    ('{"joy": 0.75, "awe": 0.25}', (0.75, 0.25, 0, 0)),
    ('{"Joy": 12, "AWE": 5, "Fear": 0, "rage": 1}', SAID),
    ('{"joy": 12, "awe": 5, "fear": 0, "anger": 1, "nostalgia": 3}', SAID),
    ('{"joy": 12, "awe": 5, "fear": 0, "anger": 1, "total": 18}', SAID, Why.NO_SCALE),
    ('{"joy": 12, "awe": 5, "fear": 0, "anger": 1, "reason": "2 dogs"}', SAID),
    ('{"joy": 12, "awe": 5, "fear": 0, "anger": 1, "confidence": 0.7}', SAID),
    ('{"answer": "Joy leads.", "joy": 12, "awe": 5, "fear": 0, "anger": 1}', SAID),
    ('{"emotion": "joy", "joy": 12, "awe": 5, "fear": 0, "anger": 1}', SAID),
    ('{"joy": 20, "awe": 20, "fear": 20, "anger": 20}', (1, 1, 1, 1)),
    ('{"joy": 0, "awe": 0, "fear": 0, "anger": 0}', (0, 0, 0, 0)),
    ('{"joy": 0.0, "awe": 1.0, "fear": 0.0, "anger": 0.0}', (0, 1, 0, 0)),
    ('{"joy": "~60%", "awe": "about 25%", "fear": "0%", "anger": "5%"}', SAID),
    ('{"joy": "60% (12/20)", "awe": "25% (5/20)", "fear": "0% (0/20)", "anger": "5% (1/20)"}', SAID, Why.BESIDE),
    ('{"joy": "12 (60%)", "awe": "5 (25%)", "fear": "0 (0%)", "anger": "1 (5%)"}', SAID, Why.BESIDE),
    ('{"joy": "60% - bright", "awe": "25% - vast", "fear": "0%", "anger": "5%, the red"}', SAID, Why.BESIDE),
    ('{"joy": 0.6e0, "awe": 2.5e-1, "fear": 0, "anger": 5e-2}', SAID),
    (f'{FENCE}json\n{{"joy": 12, "awe": 5, "fear": 0, "anger": 1}}\n{FENCE}', SAID),
    ('{"joy": 12, "awe": 5, "fear": 0, "anger": 1, "Joy": 12}', SAID, Why.CONTRADICTS),
    ('{"joy": "twelve", "awe": "five", "fear": "zero", "anger": "one"}', SAID, Why.BESIDE),
    ('{"joy (%)": 60, "awe (%)": 25, "fear (%)": 0, "anger (%)": 5}', SAID, Why.AMONG),
]  # fmt: skip

ONE = [
    ('{"joy": 12, "awe": 5, "fear": 2, "anger": 1}', (0.6, 0.25, 0.1, 0.05)),
    ('{"joy": 0.6, "awe": 0.25, "fear": 0.1, "anger": 0.05}', (0.6, 0.25, 0.1, 0.05)),
    ('{"joy": 60, "awe": 25, "fear": 10, "anger": 5}', (0.6, 0.25, 0.1, 0.05)),
    ('{"joy": 15, "awe": 5}', (0.75, 0.25, 0, 0)),
    ('{"joy": "100%"}', (1, 0, 0, 0)),
    ('{"joy": 18, "awe": 1, "fear": 1, "anger": 0}', (0.9, 0.05, 0.05, 0)),
    ('{"joy": 20}', (1, 0, 0, 0)),
]

RANKINGS = [
    ('{"ranking": ["joy", "awe", "fear", "anger"]}', "joy awe fear anger"),
    ('{"labels": ["joy", "awe", "fear", "anger"]}', "joy awe fear anger"),
    ('["anger", "fear", "awe", "joy"]', "anger fear awe joy"),
    ('{"1": "joy", "2": "awe", "3": "fear", "4": "anger"}', "joy awe fear anger"),
    ('[{"rank": 2, "label": "joy"}, {"rank": 1, "label": "awe"}, {"rank": 3, "label": "fear"}]', "awe joy fear"),
    ('{"ranking": "joy > awe > anger > fear"}', "joy awe anger fear"),
    ('{"ranked": ["joy", "awe"]}', "joy awe"),
    (f'{FENCE}json\n{{"ranking": ["Joy", "Rage"]}}\n{FENCE}', "joy anger"),
    ('{"ranking": {"joy": 1, "awe": 2, "fear": 3, "anger": 4}}', "joy awe fear anger"),
]

NONE = {
    "sets": [
        ('{"not_present": ["fear"], "labels": ["awe"]}', Why.MORE),
        ('{"labels": ["joy", "not fear"]}', Why.AMONG),
        ('{"labels": ["joy", "none"]}', Why.CONTRADICTS),
        ('{"labels": ["joy"], "labels": ["fear"]}', Why.BROKEN),
        ('{"labels": ["nostalgia"]}', Why.UNKNOWN_ONLY),
        ('{"not_present": ["joy"]}', Why.NO_LABELS),
        ('{"labels": null}', Why.NO_LABELS),
        ('{"joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05}', Why.NUMBERS),
        ('{"labels": [{"label": "joy", "share": 0}, {"label": "awe", "share": 0.5}]}', Why.NUMBERS),
        ('{"labels": [{"label": "joy", "confidence": 0.1}, {"label": "awe", "confidence": 0.9}]}', Why.MORE),
        ('{"joy": "maybe", "awe": "maybe"}', Why.BESIDE),
    ],
    "shares": [
        ('{"labels": ["joy", "awe"]}', Why.LABELS),
        ('{"joy": "60-70%", "awe": "20-30%", "fear": "0%", "anger": "5%"}', Why.BESIDE),
        ('{"joy": "4/5", "awe": "2/5", "fear": "1/5", "anger": "1/5"}', Why.BESIDE),
        ('{"joy": 0.6, "awe": 0.25}', Why.NO_RATE),
        ('{"joy": "60%", "awe": 0.25, "fear": 0, "anger": 5}', Why.NO_SCALE),
        ('{"joy": -0.6, "awe": 0.25, "fear": 0, "anger": 0.05}', Why.OUTSIDE),
        ('{"joy": 120, "awe": 25, "fear": 0, "anger": 5}', Why.NO_SCALE),
        ('{"joy": "25/20", "awe": 0, "fear": 0, "anger": 0}', Why.OUTSIDE),
        ('{"joy": null, "awe": 5, "fear": 0, "anger": 1}', Why.NO_RATE),
        ('{"joy": NaN, "awe": 0.5, "fear": 0, "anger": 0.1}', Why.BESIDE),
        ('{"joy": 12, "awe": 5, "joy": 5, "fear": 0, "anger": 1}', Why.BROKEN),
        ('{"joy": {"reason": "smiles"}, "awe": {"reason": "hills"}, "fear": {}, "anger": {}}', Why.BESIDE),
        ('{"percentages": {"joy": 0.6, "awe": 0.25, "fear": 0, "anger": 0.05}}', Why.NO_SCALE),
        ('{"labels": ["joy", "awe"], "shares": [0.6]}', Why.BESIDE),
        (
            '{"children": {"joy": 12, "awe": 5, "fear": 0, "anger": 1}, "adults": {"joy": 5, "awe": 2, "fear": 1, '
            '"anger": 1}}',
            Why.NO_LABELS,
        ),
        ('{"joy": true, "awe": false, "fear": false, "anger": false}', Why.LABELS),
    ],
    "ranking": [
        ('{"joy": 0.6, "awe": 0.25, "fear": 0.1, "anger": 0.05}', Why.UNRANKED),
        ('{"ranking": ["nostalgia"]}', Why.UNKNOWN_ONLY),
        ('{"ranking": []}', Why.NO_MASS),
    ],
}
NONE_OF_ONE = [
    ('{"joy": 12, "awe": 12, "fear": 12, "anger": 12}', Why.NO_SUM),
    ('{"joy": 0.6, "awe": 0.6, "fear": 0.1, "anger": 0}', Why.NO_SUM),
    ('{"joy": 0, "awe": 0, "fear": 0, "anger": 0}', Why.NO_SUM),
    ('{"joy": "40%", "awe": "20%"}', Why.NO_RATE),
]

_DOWN = ("anger", "fear", "awe", "joy")  # joy comes first
_UP = ["joy", "awe", "fear", "anger"]

TRAPS = [
    # A label twice.
    ("shares", '{"joy": 12, "awe": 5, "fear": 0, "anger": 1, "JOY": 6}', None, Why.CONTRADICTS),
    ("sets", '{"anger": true, "rage": false, "joy": true}', None, Why.CONTRADICTS),
    ("ranking", '["joy", "awe", "happiness", "fear"]', None, Why.CONTRADICTS),
    # Refusals.
    ("sets", '{"labels": [], "reason": "I cannot view the image"}', None, Why.MORE),
    # The best comes last.
    ("ranking", '{"worst_to_best": ["anger", "fear", "awe", "joy"]}', _UP, Why.NO_LABELS),
    ("ranking", '{"order": "ascending", "ranking": ["anger", "fear", "awe", "joy"]}', _UP, Why.MORE),
    ("ranking", '{"ranking": ["4. anger", "3. fear", "2. awe", "1. joy"]}', _UP, Why.AMONG),
    *(("ranking", '{"ranking": [' + ", ".join(f'{{"label": "{label}", "{key}": {form.format(4 - at)}}}'
                                              for at, label in enumerate(_DOWN)) + "]}", _UP, *reason)
      for key, form, *reason in (("rank", "{}"), ("rank", '"#{}"', Why.BESIDE), ("place", '"{}."', Why.BESIDE),
                                 ("position", '"{}th"', Why.BESIDE))),
    ("ranking", '{"ranking": "joy > awe = fear > anger"}', None, Why.AMONG),
    ("ranking", '{"ranking": ["joy", "awe/fear", "anger"]}', None, Why.AMONG),
    ("ranking", '{"ranking": ["joy", "awe (tied)", "fear"]}', ["joy", "awe", "fear"], Why.AMONG),
    ("ranking", '[{"label": "fear", "score": 0.5}, {"label": "awe", "score": 0.9}]', None, Why.UNRANKED),
    ("ranking", '{"joy": 2, "awe": 1, "fear": 4, "anger": 3}', ["awe", "joy", "anger", "fear"], Why.UNRANKED),
    ("ranking", '{"scores": {"joy": 3, "awe": 2, "fear": 1}}', ["joy", "awe", "fear"], Why.UNRANKED),
    # Heads and keys that deny.
    ("sets", '{"chosen": ["joy"], "dropped": ["fear"]}', ["joy"], Why.MORE),
    ("sets", '{"selected": [], "unselected": ["fear"]}', [], Why.MORE),
    ("sets", '{"inapplicable": ["fear"]}', None, Why.NO_LABELS),
    ("sets", '{"labels": "not fear, anger or awe"}', None, Why.AMONG),
    ("sets", '{"answer": "neither fear nor joy, anger"}', None, Why.AMONG),
    # What stands beside a label in an object.
    *(("sets", f'[{{"label": "joy", {yes}}}, {{"label": "fear", {no}}}]', ["joy"], *reason) for yes, no, *reason in (
        ('"fits": "yes"', '"fits": "no"', Why.MORE), ('"applicable": "yes"', '"applicable": "no"'),
        ('"fits": true', '"fits": false', Why.MORE),
        ('"status": "kept"', '"status": "dropped"', Why.MORE), ('"strength": "high"', '"strength": "none"', Why.MORE),
        ('"reason": "smiles"', '"reason": "not seen here"', Why.BESIDE), ('"level": 3', '"level": 0', Why.MORE))),
    ("sets", '{"labels": ["fear"], "verdict": "rejected"}', None, Why.MORE),
    # Labels among other words.
    *(("sets", f'{{"labels": ["{word}", "awe"]}}', wanted, Why.AMONG) for word, wanted in (
        ("joy (strong)", ["joy", "awe"]), ("joy/fear", None), ("joy and fear", ["joy", "awe", "fear"]),
        ("joy - a dog plays", ["joy", "awe"]), ("#joy", ["joy", "awe"]), ("a hint of joy", ["joy", "awe"]),
        ("joy, fear", ["joy", "awe", "fear"]), ("maybe fear", None), ("no fear", ["awe"]))),
    ("sets", '{"labels": "mostly joy, awe"}', ["joy", "awe"], Why.AMONG),
    ("one", '{"joy": 12, "awe/fear": 8}', None, Why.AMONG),
    ("sets", '[{"label": "joy"}, {"label": "fear", "present": null}]', None, Why.MORE),
    ("sets", '[{"label": "joy", "present": "yes"}, {"label": "fear", "present": "somewhat"}]', None, Why.MORE),
    # Numbers beside labels.
    ("shares", '{"joy": 20, "awe": 20, "fear": 20, "anger": 20, "grief": 20}', (1, 1, 1, 1), Why.NO_SCALE),
    ("shares", '{"joy": 1, "grief": 12}', None, Why.NO_RATE),
    ("sets", '{"name": "joy"}', None, Why.NO_LABELS),
    ("sets", '["joy", "60%", "awe", "40%"]', None, Why.BESIDE),
    ("sets", '{"labels": "joy, 60%, awe, 40%"}', None, Why.BESIDE),
    ("sets", '[{"label": "joy", "share": true}]', None, Why.NO_LABELS),
    ("sets", '{"joy": false}', None, Why.NO_LABELS),
    ("sets", '{"emotion": "joy", "applies": false}', None, Why.NO_LABELS),
    ("sets", '{"joy": 0, "awe": 0}', None, Why.NO_RATE),
    ("sets", '{"total": "anger", "emotion": "fear"}', None, Why.MORE),
    ("sets", '{"label": "joy", "n": 12}', None, Why.NUMBERS),
    ("sets", '{"labels": ["joy"], "n": 12}', ["joy"]),
    ("sets", '[["joy", 0.9], ["awe", 0.1]]', None, Why.NUMBERS),
    ("sets", '{"labels": "[[\\"joy\\", 0.9], [\\"awe\\", 0.1]]"}', None, Why.NUMBERS),
    ("sets", '["joy", ["awe", 0.1]]', None, Why.BESIDE),
    ("sets", '[{"label": "joy"}, {"label": "awe", "share": 0.1}]', None, Why.BESIDE),
    ("sets", '{"votes": ["joy"]}', None, Why.BESIDE),
    ("sets", '[["joy", "awe"]]', None, Why.BESIDE),
    ("sets", '{"labels": ["joy"], "shares": {"awe": 0.9}}', None, Why.NUMBERS),
    ("shares", '{"joy": 1e999, "awe": 0, "fear": 0, "anger": 0}', None, Why.BESIDE),
    ("shares", '{"joy": {"label": "fear", "share": 1}, "awe": 0, "fear": 0, "anger": 0}', None, Why.CONTRADICTS),
    ("ranking", '{"ranking": ["joy", "awe"], "scores": [0.1, 0.9]}', None, Why.MORE),
    ("ranking", '{"ranking": {"joy": 1, "awe": 1}}', None, Why.BESIDE),
    ("ranking", '[{"rank": 1, "label": "joy"}, {"label": "awe"}]', None, Why.BESIDE),
    # JSON that says two things, or nothing.
    ("sets", '{"labels": ["joy"], "Labels": ["fear"]}', None, Why.CONTRADICTS),
    ("sets", '{"labels": ["joy"], "emotions": ["fear"]}', None, Why.MORE),
    ("sets", '{"labels": ["joy"], "fear": false}', ["joy"], Why.CONTRADICTS),
    ("sets", '[{"labels": ["joy"]}, {"labels": ["fear"]}]', None, Why.NO_LABELS),
    ("sets", '{"joy": null, "awe": null}', None, Why.NO_LABELS),
    ("sets", '{"labels": ["none"], "reason": "I cannot see it"}', None, Why.MORE),
    ("sets", '{"reasoning": "There is no image.", "answer": {"labels": []}}', None, Why.MORE),
    ("shares", '{"joy": 0, "awe": 0, "fear": 0, "anger": 0, "reason": "I see no image"}', None, Why.MORE),
]  # fmt: skip

NOT_ALONE = {
    Why.EMPTY: ["", " \n"],
    Why.NO_JSON: [
        "Joy.", "joy > awe > fear > anger", '"joy"', "null", "- joy\n- anger",
        "1. joy\n2. awe", "Answer: joy", "I'm sorry, but I can't help with identifying feelings.", "<think>joy, surely",
        "joy: 12\nawe: 5\nfear: 0\nanger: 1", "| joy | 60 % |\n| awe | 25 % |", "label,share\njoy,0.6\nawe,0.25",
        "From least to most fitting:\nanger\nfear\nawe\njoy", "Ruled out:\n- fear\n- anger",
    ],
    Why.BROKEN: [
        '{"labels": ["joy"', '{"labels": ["joy", "awe",]}', "{'labels': ['joy', 'awe']}", "{“labels”: [“joy”]}",
        "[joy, awe]", '{"joy": 60%, "awe": 25%}', '{"joy": .6, "awe": .25}', '{"joy": 12/20, "awe": 5/20}',
        '{"joy": 12, // smiles\n "awe": 5}', '{"labels": ["joy"]}\n{"labels": ["joy"]}', '{"joy": 12} or {"joy": 5}',
        f'Here it is:\n{FENCE}\n{{"labels": ["joy"]}}\n{FENCE}\nI hope that helps!',
        f'{FENCE}json\n{{"labels": ["joy"]}}\n{FENCE}\n{FENCE}json\n{{"labels": ["awe"]}}\n{FENCE}',
        '<think>{"labels": ["fear"]}? No.</think>\n{"labels": ["joy"]}', '<scratchpad>{"labels": ["fear"]}',
        '<|channel|>analysis<|message|>["fear"]<|end|><|channel|>final<|message|>joy',
        '{"labels": ["joy"]}\n\nActually, my final answer is fear.', 'Here is an example: {"labels": ["fear"]}',
        'I cannot see the image. {"joy": 0, "awe": 0, "fear": 0, "anger": 0}', '{"joy": 12, "awe": 5} (of 40 votes)',
        '["joy", "awe", "fear", "anger"]\nOf these I feel awe.', '{"labels": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"ranking": ["anger", "fear", "awe", "joy"]} (least fitting first)', "- [x] joy\n- [ ] awe",
    ],
}  # fmt: skip
