// What a model says of itself: AUs, thresholds, sizes, licence; see ModelSpec of runtime/spec.py. And which of its
// nodes are not for WebGPU.
//
// ONNX Runtime shows neither in JavaScript, so they are read out of the file, which is a protobuf message: fields one
// after another, each a key (its number and its kind) and a value.

const SPEC_VERSION = 2;
const METADATA = 14; // ModelProto.metadata_props, each a message {1: key, 2: value}
const [GRAPH, NODE] = [7, 1]; // ModelProto.graph, GraphProto.node
const [NODE_OUTPUT, NODE_NAME, NODE_OPERATOR] = [2, 3, 4]; // of NodeProto

/** Read the spec of a model of `python -m export.onnx`, given as a Uint8Array. */
export function readSpec(model) {
  if (!(model instanceof Uint8Array)) throw new TypeError("a model is given as its bytes, a Uint8Array");
  const text = new TextDecoder();
  for (const [number, property] of fields(model)) {
    if (number !== METADATA) continue;
    const entry = new Map([...fields(property)]);
    if (text.decode(entry.get(1)) !== "lgrnet") continue;
    const spec = parse(text.decode(entry.get(2)));
    if (spec.spec_version !== SPEC_VERSION) {
      throw new RangeError(
        `the model has spec version ${spec.spec_version}, this reads ${SPEC_VERSION}: export it again`,
      );
    }
    return spec;
  }
  throw new RangeError("the model holds no lgrnet metadata: only files of `python -m export.onnx` can be opened");
}

// A face finder has the property, too: a version.
function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    throw new RangeError(
      "the model's lgrnet metadata is not JSON, as of a face finder: give a file of `python -m export.onnx`",
    );
  }
}

/** Names of the nodes that ONNX Runtime's WebGPU fails at: Split, where its input and outputs are more than the 8
 *  buffers that every GPU lets a shader have. Its option `forceCpuNodeNames` leaves them to the CPU. */
export function wideSplits(model) {
  const text = new TextDecoder();
  const names = [];
  for (const [part, graph] of fields(model)) {
    if (part !== GRAPH) continue;
    for (const [part, node] of fields(graph)) {
      if (part !== NODE) continue;
      const of = (wanted) => [...fields(node)].filter(([part]) => part === wanted).map(([, value]) => value);
      if (text.decode(of(NODE_OPERATOR)[0]) === "Split" && of(NODE_OUTPUT).length > 7)
        names.push(text.decode(of(NODE_NAME)[0]));
    }
  }
  return names;
}

function* fields(bytes) {
  let at = 0;
  const varint = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      if (at >= bytes.length) throw new RangeError("the model's file is cut, or is no ONNX model");
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, kind] = [Math.floor(key / 8), key % 8];
    if (kind === 0) yield [number, varint()];
    else if (kind === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new RangeError("the model's file is cut, or is no ONNX model");
      yield [number, bytes.subarray(at, (at += length))];
    } else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else throw new RangeError("the model's file is no ONNX model");
  }
}
