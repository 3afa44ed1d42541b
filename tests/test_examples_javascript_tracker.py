"""Who is who in examples/javascript: people who come, move and leave, and what `runtime` says."""

import numpy as np
import pytest
from javascript import FOLDER, flat, javascript, needs_node, picture
from test_examples_javascript import a_face

from runtime import Detector, open_source
from runtime.align import alignment_matrix, crop_matrix, transform
from runtime.latency import Stopwatch
from runtime.packaged import DEMO_CLIP, model_path

pytestmark = needs_node

PEOPLE = """
// A network and a finder that know where `people` are; elsewhere the one sees a mean face, the
// other none.
let people = [], searches = 0, looks = 0, blind = false;
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
const at = ([x, y, zoom = 1]) => given.face.map(([a, b]) => [zoom * a + x, zoom * b + y]);
const nearest = (point) =>
  people.map(at).sort((a, b) => distance(a[13], point) - distance(b[13], point))[0];
class Known extends Detector {
  async look(picture, alignment) {
    looks++;
    const mean = given.crop.map((point) => transform(invert(cropMatrix(alignment)), point));
    const there = nearest(mean[13]);
    const landmarks = there && distance(there[13], mean[13]) < 45 ? there : mean;
    return { landmarks, box: faceBox(landmarks) };
  }
  async confirm(picture, landmarks) {
    return !blind && people.length > 0 && distance(nearest(landmarks[13])[13], landmarks[13]) < 45;
  }
}
const find = async () => {
  searches++;
  return people.map(at).map((landmarks) => {
    return { box: faceBox(landmarks), score: 1, alignment: alignmentMatrix(landmarks) };
  });
};
const picture = { width: 640, height: 360, data: new Uint8Array(4 * 640 * 360) };
const detector = new Known({}, { aus: [] }, null, { find });
const said = [];
const follow = async (tracker, count = 1) => {
  for (; count > 0; count--) said.push((await tracker.follow(picture)).map(({ id, landmarks }) =>
    [id, ...landmarks[13].map(Math.round)]));
};
let tracker = new Tracker(detector);
"""
HERE, THERE, FAR = (150, 200), (400, 200), (560, 100)
"""Where the middles of faces are."""


def followed(code: str) -> list:
    """Run a story in which `people` come and go; the last is what it sets, or all that was said."""
    landmarks = a_face(np.random.default_rng(3), 60, (0, 0))
    landmarks -= landmarks[13]  # a place is that of the tip of the nose
    crop = transform(landmarks, crop_matrix(alignment_matrix(landmarks)))
    code = PEOPLE + f"const HERE = {list(HERE)}, THERE = {list(THERE)}, FAR = {list(FAR)};" + code
    return javascript(code + "answer ??= said;", face=landmarks, crop=crop)


def test_people_are_searched_for_now_and_then_and_each_looked_at_once_a_picture():
    searches, looks, said = followed(
        "for (let n = 0; n < 30; n++) {"
        " people = [[150 + 2 * n, 200], [400, 200 - 2 * n, 1.2]]; await follow(tracker); }"
        "answer = [searches, looks, said];"
    )
    assert said == [[[0, 400, 200 - 2 * n], [1, 150 + 2 * n, 200]] for n in range(30)]
    assert searches == 2  # the first picture and the 17th
    assert looks == 2 * 2 + 29 * 2


def test_a_newcomer_gets_the_next_number():
    said = followed(
        "people = [HERE]; await follow(tracker, 3); people = [THERE, HERE];"
        "await follow(tracker, 20);"
    )
    ids = [[id for id, *_ in faces] for faces in said]
    assert ids == [[0]] * 16 + [[0, 1]] * 7
    assert said[-1] == [[0, *HERE], [1, *THERE]]


def test_only_so_many_are_followed_the_largest_ones():
    searches, said = followed(
        "people = [HERE, [...THERE, 1.3], [...FAR, 0.8]]; tracker = new Tracker(detector, 2);"
        "await follow(tracker, 40); answer = [searches, said];"
    )
    assert said == [[[0, *THERE], [1, *HERE]]] * 40
    assert searches == 1


def test_of_two_on_one_face_the_older_stays_and_the_other_comes_back():
    said = followed(
        "people = [[...HERE, 1.1], [230, 200]]; await follow(tracker, 2);"
        "people = [[190, 200, 1.1]]; await follow(tracker, 2);"
        "people = [[...HERE, 1.1], [230, 200]]; await follow(tracker, 8);"
    )
    assert said[1] == [[0, *HERE], [1, 230, 200]]
    assert said[2] == said[3] == [[0, 190, 200]]
    assert said[-1] == [[0, *HERE], [1, 230, 200]]


@pytest.mark.parametrize(
    ("away", "back", "number"),
    [(5, "HERE", 0), (90, "HERE", 0), (120, "HERE", 1), (5, "FAR", 1)],
)
def test_whoever_is_soon_back_near_the_old_place_keeps_the_number(away, back, number):
    said = followed(
        "people = [HERE]; await follow(tracker, 9); people = [];"
        f" await follow(tracker, {away + 3}); people = [{back}]; await follow(tracker, 6);"
    )
    assert said[8] == [[0, *HERE]]
    assert said[9 + 4] == []
    assert [id for id, *_ in said[-1]] == [number]


def test_of_two_who_are_back_each_gets_the_own_number():
    said = followed(
        "people = [HERE, [...THERE, 0.9]]; await follow(tracker, 30); people = [];"
        "await follow(tracker, 20); people = [[390, 200], [160, 200]]; await follow(tracker, 6);"
    )
    assert said[-1] == [[0, 160, 200], [1, 390, 200]]


def test_faces_stay_in_the_order_of_their_numbers_when_one_is_back():
    said = followed(
        "people = [HERE, [...THERE, 0.9]]; await follow(tracker, 2); people.shift();"
        "await follow(tracker, 20); people.push(HERE); await follow(tracker, 6);"
    )
    assert said[21] == [[1, *THERE]]
    assert said[-1] == [[0, *HERE], [1, *THERE]]


def test_a_number_is_given_back_once():
    """Two are found where one was lost, each nearer than a face is wide."""
    said = followed(
        "people = [HERE]; await follow(tracker, 2); people = []; await follow(tracker, 20);"
        "people = [[70, 200], [220, 200]]; await follow(tracker, 6);"
    )
    assert sorted(id for id, *_ in said[-1]) == [0, 1]


def test_a_face_that_the_finder_misses_three_times_is_lost():
    """The finder looks at the tenth picture after the first, and then at each."""
    said = followed(
        "people = [HERE]; await follow(tracker); blind = true; await follow(tracker, 13);"
    )
    assert [len(faces) for faces in said] == [1] * 12 + [0] * 2


def test_one_that_is_seen_again_is_kept():
    said = followed(
        "people = [HERE]; for (let n = 0; n < 40; n++) {"
        " blind = n === 10 || n === 11; await follow(tracker); }"
    )
    assert [len(faces) for faces in said] == [1] * 40


def test_landmarks_that_jump_lose_the_face_at_once_and_a_search_begins():
    """The eyes of the new face are 35 px nearer to each other, as if it were another one."""
    searches, said = followed(
        "people = [HERE]; await follow(tracker, 2); people = [[...HERE, 0.5]];"
        "await follow(tracker, 2); answer = [searches, said];"
    )
    assert said == [[[0, *HERE]]] * 4
    assert searches == 2


def test_an_empty_picture_is_searched_only_now_and_then():
    assert followed("await follow(tracker, 13); answer = searches;") == 3  # 1st, 7th, 13th


def test_a_picture_before_the_faces_of_the_last_one_is_refused_and_harms_nobody():
    said = followed(
        "people = [HERE]; const first = follow(tracker);"
        "await tracker.follow(picture).catch((error) => said.push(error.message));"
        "await first; await follow(tracker);"
    )
    assert said == [
        "wait for the faces of the picture before: `await tracker.follow(picture)`",
        [[0, *HERE]],
        [[0, *HERE]],
    ]


def test_a_picture_at_which_the_network_fails_does_not_end_the_following():
    said = followed(
        "people = [HERE]; await follow(tracker); const { look } = detector;"
        "detector.look = async () => { throw new Error('out of memory'); };"
        "await tracker.follow(picture).catch((error) => said.push(error.message));"
        "detector.look = look; await follow(tracker);"
    )
    assert said == [[[0, *HERE]], "out of memory", [[0, *HERE]]]


ORT = FOLDER / "node_modules" / "onnxruntime-web" / "dist" / "ort.node.min.mjs"


@pytest.mark.skipif(not ORT.exists(), reason="no `npm install` in examples/javascript")
def test_three_people_side_by_side_are_followed_as_by_the_runtime():
    """The demo clip's people, who in the clip come one after the other.

    The finder is the runtime's. What is said of a face is compared with a loop in which landmarks
    of one picture align the next; `Detector.track` cuts it out where it expects it to have moved,
    so that only numbers and about the places are the same.
    """
    frames = [each.frame[:, 170:470] for each in open_source(DEMO_CLIP)]
    third = len(frames) // 3
    crowd = [np.hstack([frames[n + k * third] for k in range(3)]) for n in range(30, 36)]
    with Detector() as detector:
        tracked = [detector.track(frame) for frame in crowd]
        found = detector._pipeline.find(crowd[0], Stopwatch())
        first = detector._pipeline.look_twice(crowd[0], found, Stopwatch())
        wanted = [[sighting.look for sighting in first]]
        for frame in crowd[1:]:
            used = [alignment_matrix(look.landmarks) for look in wanted[-1]]
            wanted.append(detector._pipeline.run(frame, used, Stopwatch()))
    assert [[face.id for face in faces] for faces in tracked] == [[0, 1, 2]] * len(crowd)
    said = javascript(
        f'import * as ort from "{ORT.as_uri()}"; ort.env.wasm.numThreads = 1;'
        "const session = await ort.InferenceSession.create(given.model);"
        "const finder = { find: async () => given.found };"
        "const tracker = new Tracker(new Detector(ort, readSpec(given.model), session, finder));"
        "answer = []; for (const each of given.crowd) answer.push(await tracker.follow(each));",
        model=model_path("edge").read_bytes(),
        crowd=[picture(frame) for frame in crowd],
        found=[
            {"box": face.box, "score": face.score, "alignment": flat(face.alignment)}
            for face in found
        ],
    )
    for faces, looks, others in zip(tracked, wanted, said, strict=True):
        assert [other["id"] for other in others] == [0, 1, 2]
        for face, look, other in zip(faces, looks, others, strict=True):
            np.testing.assert_allclose(other["landmarks"], look.landmarks, atol=0.2)
            for key, off in (("probability", 0.08), ("intensity", 0.2)):
                values = list(other[key].values())
                np.testing.assert_allclose(values, getattr(look, key), atol=off)
            np.testing.assert_allclose(other["landmarks"], face.landmarks, atol=5)
