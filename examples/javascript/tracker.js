// Who is who from one picture of a video to the next: the core of runtime/tracking/tracker.py.
//
// A face is searched for once. From then on the landmarks of one picture align the next, and the network finds them
// anew there.

import { sameFace } from "./boxes.js";
import { alignmentMatrix, isPlausible } from "./geometry.js";
import { check } from "./pictures.js";

const SEARCH_EVERY = 15; // pictures between two searches for newcomers
const SEARCH_SOON = 5; // the same, while nobody is followed or somebody is missing
const VERIFY_EVERY = 10; // pictures between two looks of the finder at a face that is followed
const MAX_MISSES = 3; // misses in a row at which it is lost
const REMEMBER = 100; // pictures for which a lost face gets its number back, if it is found near its old place

/** Follows the faces of one video; another video takes another tracker. */
export class Tracker {
  constructor(detector, maxFaces = 4) {
    Object.assign(this, { detector, maxFaces, tracks: [], missing: [], wait: 0, nextId: 0, busy: false });
  }

  /** The faces of the next picture, by number: `id` and what a look says, see detector.js. Wait for it before the
   *  next picture is given. */
  async follow(picture) {
    check(picture);
    if (this.busy) throw new Error("wait for the faces of the picture before: `await tracker.follow(picture)`");
    this.busy = true;
    try {
      return await this.#next(picture);
    } finally {
      this.busy = false;
    }
  }

  async #next(picture) {
    const [kept, lost] = [[], []];
    for (const track of this.tracks) ((await this.#stays(track, picture, kept)) ? kept : lost).push(track);
    this.tracks = kept;
    this.missing = [...this.missing, ...lost].filter((track) => track.away++ < REMEMBER);
    if (lost.length) this.wait = 0;
    if (kept.length < this.maxFaces && this.wait-- <= 0) await this.#search(picture);
    return this.tracks.map(({ id, face }) => ({ id, ...face }));
  }

  // Looks at a face where it was last; of two that end on one face the older one stays.
  async #stays(track, picture, others) {
    const used = alignmentMatrix(track.face.landmarks);
    const face = await this.detector.look(picture, used);
    if (!isPlausible(face.landmarks, used, picture)) return false;
    if (others.some((other) => sameFace(other.face.box, face.box))) return false;
    track.face = face;
    if (++track.age < VERIFY_EVERY) return true;
    // The network puts a mean face on a wall, too; the finder tells a wall from a face.
    if (await this.detector.confirm(picture, face.landmarks)) track.age = track.misses = 0;
    else track.misses++;
    return track.misses < MAX_MISSES;
  }

  async #search(picture) {
    const followed = this.tracks.map((track) => track.face.box);
    for (const face of await this.detector.detect(picture, this.maxFaces - followed.length, followed)) {
      const id = this.#recognise(face) ?? this.nextId++;
      // Faces that are found together are not all verified on the same pictures.
      this.tracks.push({ id, face, age: id % VERIFY_EVERY, misses: 0, away: 0 });
    }
    this.tracks.sort((a, b) => a.id - b.id);
    this.wait = this.tracks.length && !this.missing.length ? SEARCH_EVERY : SEARCH_SOON;
  }

  // The number of the nearest missing face, if it is no farther away than the face is wide.
  #recognise({ box }) {
    const away = ({ face }) => distance(middle(face.box), middle(box));
    const [nearest] = this.missing.filter((track) => away(track) <= box[2]).sort((a, b) => away(a) - away(b));
    this.missing = this.missing.filter((track) => track !== nearest);
    return nearest?.id;
  }
}

const middle = ([left, top, width, height]) => [left + width / 2, top + height / 2];
const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
