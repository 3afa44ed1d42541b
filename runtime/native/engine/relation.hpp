// The skip-BiLSTM (section III-B, eq. 6 to 9): lgrnet.network.relation.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "layers.hpp"
#include "patches.hpp"

namespace lgrnet {

constexpr int POSITIONS = Winograd<2>::POSITIONS, TILES = Winograd<2>::TILES;

// One of the two directions: weights, and the states of one face.
class Direction {
 public:
  Direction(const Weights& weights, const std::string& name, int aus, int channels, int grid)
      : input(make_cell(weights, name + ".input", channels, false)),
        hidden(make_cell(weights, name + ".hidden", channels, true)),
        reaching(grid, grid, channels),
        cell(grid, grid, channels),
        channels_(channels),
        factors_(static_cast<size_t>(aus) * aus * padded(channels)),
        gate_weight_(weights.get(name + ".gates.weight", gates(aus, channels) * channels)),
        gate_bias_(weights.get(name + ".gates.bias", gates(aus, channels))) {
    for (int step = 0; step < aus; ++step)
      states.emplace_back(static_cast<size_t>(grid) * grid * padded(channels));
  }

  Winograd<2> input, hidden;
  Map reaching;                         // Σ_j h_j f_j of the step at hand
  Map cell;                             // c of the step before
  std::vector<Buffer<int16_t>> states;  // h of each step, fixed point: reading them takes long

  // f: how much of step `from` reaches step `to`, (C).
  float* factor(int from, int to) {
    return &factors_[(static_cast<size_t>(from) * states.size() + to) * reaching.channels];
  }

  // Row y of Σ_j h_j f_j for a step.
  void gather(int step, int y) {
    constexpr int CELLS = 8;  // whose sums are kept in registers
    const int channels = reaching.channels;
    for (int x = 0; x < reaching.width; x += CELLS) {
      const size_t begin = (static_cast<size_t>(y) * reaching.width + x) * channels;
      const int count = std::min(CELLS, reaching.width - x);
      for (int c = 0; c < channels; c += LANES) {
        Floats total[CELLS] = {};
        for (int from = 0; from < step; ++from) {
          const Floats share = load(factor(from, step) + c) * (1 / FIXED);
          const int16_t* state = states[from].data() + begin + c;
          if (count == CELLS) {
            for (int i = 0; i < CELLS; ++i) total[i] += load_fixed(state + i * channels) * share;
          } else {
            for (int i = 0; i < count; ++i) total[i] += load_fixed(state + i * channels) * share;
          }
        }
        for (int i = 0; i < count; ++i) store(reaching.data() + begin + i * channels + c, total[i]);
      }
    }
  }

  // f_j = σ(W_j · mean(h_j ⊙ F ⊙ A_t) + b_j), eq. 8; A_t is zero outside its few cells.
  void gate(int from, int to, const Patch& patch, View<const float> feature) {
    float* out = factor(from, to);
    std::vector<float> pooled(reaching.channels, 0.f);
    for (int c = 0; c < reaching.channels; c += LANES) {
      Floats total{};
      for (const Cell& each : patch.cells) {
        const size_t at = static_cast<size_t>(each.at) * reaching.channels + c;
        total += load_fixed(&states[from][at]) * load(feature.data + at) * each.weight;
      }
      store(&pooled[c], total / (FIXED * reaching.width * reaching.height));
    }
    for (int o = 0; o < channels_; ++o) {
      const float* row = gate_weight_ + (static_cast<size_t>(from) * channels_ + o) * channels_;
      float total = gate_bias_[from * channels_ + o];
      for (int c = 0; c < channels_; ++c) total += row[c] * pooled[c];
      out[o] = 1.f / (1.f + std::exp(-total));
    }
  }

 private:
  int channels_;
  Buffer<float> factors_;
  const float *gate_weight_, *gate_bias_;

  static constexpr int CANDIDATE = 3;  // after input, forget and output gate

  static int64_t gates(int aus, int channels) { return static_cast<int64_t>(aus - 1) * channels; }

  // Puts the four gates of the same LANES channels side by side, so that one block of products
  // holds all that a cell needs: gate · C + c to (c / L · 4 + gate) · L + c % L, L being LANES.
  // What comes out of the convolution is the exponent of 2 that the gate's sigmoid, or tanh, is
  // computed from.
  static Winograd<2> make_cell(const Weights& weights, const std::string& name, int channels,
                               bool with_bias) {
    const int64_t size = static_cast<int64_t>(channels) * 9;
    const float* weight = weights.get(name + ".weight", 4 * channels * size);
    const float* bias = with_bias ? weights.get(name + ".bias", 4 * channels) : nullptr;
    std::vector<float> ordered(4 * padded(channels) * size), biases(4 * padded(channels));
    for (int gate = 0; gate < 4; ++gate)
      for (int c = 0; c < channels; ++c) {
        const int to = (c / LANES * 4 + gate) * LANES + c % LANES, from = gate * channels + c;
        const float factor = gate == CANDIDATE ? -2 * LOG2_E : -LOG2_E;
        for (int i = 0; i < size; ++i) ordered[to * size + i] = factor * weight[from * size + i];
        if (bias) biases[to] = factor * bias[from];
      }
    return Winograd<2>(4 * padded(channels), channels, ordered.data(), biases.data(),
                       weights.find(name + ".range", POSITIONS));
  }
};

// Where the tiles of v_t = F ⊙ A_t lie, and what their cells are to be multiplied with.
class PatchTiles {
 public:
  PatchTiles(View<const float> feature, const Patch& patch)
      : tiles_(feature), patch_(patch), grid_(feature.width) {}

  void operator()(int y, int x, const float* (&from)[POSITIONS], float (&factor)[POSITIONS]) const {
    tiles_(y, x, from, factor);
    for (int i = 0; i < 4; ++i) {
      const int row = 2 * y - 1 + i;
      for (int j = 0; j < 4; ++j) {
        const int column = 2 * x - 1 + j;
        const bool inside = row >= 0 && row < grid_ && column >= 0 && column < grid_;
        factor[4 * i + j] = inside ? patch_.map[static_cast<size_t>(row) * grid_ + column] : 0.f;
      }
    }
  }

 private:
  PaddedTiles tiles_;
  const Patch& patch_;
  int grid_;
};

class Recurrence {
 public:
  Recurrence(const Weights& weights, int aus, int channels, int grid)
      : directions{{weights, "down", aus, channels, grid}, {weights, "up", aus, channels, grid}},
        aus_(aus),
        grid_(grid) {}

  void run(View<const float> feature, const std::vector<Patch>& patches, Threads& threads,
           std::vector<Scratch>& scratches) {
    if (threads.count() <= 2) {
      // A direction to itself needs nobody else, and its states stay in its core's cache.
      threads.share(2, [&](int direction, int thread) {
        steps(feature, patches, scratches, [&](int count, const auto& task) {
          for (int item = 0; item < count; ++item) task(direction, item, thread);
        });
      });
    } else {
      steps(feature, patches, scratches, [&](int count, const auto& task) {
        threads.share(2 * count, [&](int item, int thread) { task(item % 2, item / 2, thread); });
      });
    }
  }

  // h of both directions for an AU.
  std::pair<const int16_t*, const int16_t*> states(int t) const {
    return {directions[0].states[t].data(), directions[1].states[aus_ - 1 - t].data()};
  }

  Direction directions[2];

 private:
  int aus_, grid_;

  // One direction goes down the face, the other up.
  int au(int direction, int step) const { return direction ? aus_ - 1 - step : step; }

  // All steps; share(count, task) does task(direction, item, thread) for `count` items and for the
  // directions that it stands for.
  template <class Share>
  void steps(View<const float> feature, const std::vector<Patch>& patches,
             std::vector<Scratch>& scratches, const Share& share) {
    const int across = tiles_along(grid_), total = across * across;
    for (int step = 0; step < aus_; ++step) {
      if (step > 0)
        share(grid_, [&](int direction, int y, int) { directions[direction].gather(step, y); });
      share((total + TILES - 1) / TILES, [&](int direction, int part, int thread) {
        const int first = part * TILES;
        advance(directions[direction], step, feature, patches[au(direction, step)], first,
                std::min(TILES, total - first), scratches[thread]);
      });
      share(aus_ - 1 - step, [&](int direction, int item, int) {
        const int to = step + 1 + item;
        directions[direction].gate(step, to, patches[au(direction, to)], feature);
      });
    }
  }

  // One ConvLSTM step on some tiles.
  void advance(Direction& direction, int step, View<const float> feature, const Patch& patch,
               int first, int count, Scratch& scratch) const {
    const Winograd<2>&hidden = direction.hidden, &input = direction.input;
    const int across = tiles_along(grid_);
    const bool starting = step == 0;
    const auto place = [&](int i) { return std::pair{(first + i) / across, (first + i) % across}; };
    if (!starting)
      hidden.transform<false>(count, place, PaddedTiles(direction.reaching.view()), scratch, 0);
    const auto begin = std::lower_bound(patch.tiles.begin(), patch.tiles.end(), first);
    const auto end = std::lower_bound(begin, patch.tiles.end(), first + count);
    const int touched = static_cast<int>(end - begin);
    const int skipped = static_cast<int>(begin - patch.tiles.begin());
    const auto driven_place = [&](int i) {
      return std::pair{begin[i] / across, begin[i] % across};
    };
    input.transform<true>(touched, driven_place, PatchTiles(feature, patch), scratch, 1);

    for (const auto& part : hidden.parts()) {
      if (!starting) hidden.multiply_positions<4>(part, count, scratch, 0);
      if (touched) input.multiply_positions<4>(part, touched, scratch, 1);
      for (int tile = 0; tile < count; ++tile) {
        const int driven = patch.place[first + tile] - skipped;
        const bool has_input = patch.place[first + tile] >= 0;
        Floats gates[4][4];
        for (int gate = 0; gate < 4; ++gate) {
          Floats product[POSITIONS] = {};
          if (starting)
            product[Winograd<2>::BIASED] = hidden.bias(part, gate);
          else
            hidden.read<4>(part, gate, tile, scratch, 0, product);
          if (has_input) {
            Floats more[POSITIONS];
            input.read<4>(part, gate, driven, scratch, 1, more);
            for (int p = 0; p < POSITIONS; ++p) product[p] += more[p];
          }
          Winograd<2>::collect(product, gates[gate]);
        }
        update(direction, step, part.first, (first + tile) / across * 2,
               (first + tile) % across * 2, gates);
      }
    }
  }

  // The ConvLSTM cell of Shi et al. on 2 × 2 cells and LANES channels; the four side by side, so
  // that none waits for its own last result.
  //
  // c' = σ(f) c + σ(i) tanh(g) and h = σ(o) tanh(c'), each over one denominator: with E(x) = e^-x,
  // σ(x) = 1 / (1 + E(x)) and tanh(x) = (1 - E(2x)) / (1 + E(2x)). The gates come as exponents
  // of 2.
  void update(Direction& direction, int step, int block, int y, int x,
              const Floats (&gates)[4][4]) const {
    const int channel = block / 4, channels = direction.cell.channels;
    float* cells = direction.cell.data();
    size_t at[4];
    bool inside[4];
    for (int i = 0; i < 4; ++i) {
      const int row = y + i / 2, column = x + i % 2;
      inside[i] = row < grid_ && column < grid_;
      at[i] = inside[i] ? (static_cast<size_t>(row) * grid_ + column) * channels + channel : 0;
    }
    Floats entering[4], forget[4], candidate[4], cell[4], out[4];
    for (int i = 0; i < 4; ++i) forget[i] = 1.f + exp2_held(gates[1][i]);
    for (int i = 0; i < 4; ++i) candidate[i] = exp2_held(gates[3][i]);
    for (int i = 0; i < 4; ++i) entering[i] = (1.f + exp2_held(gates[0][i])) * (1.f + candidate[i]);
    for (int i = 0; i < 4; ++i) {
      cell[i] = (1.f - candidate[i]) * forget[i];
      if (step) cell[i] += load(cells + at[i]) * entering[i];
    }
    for (int i = 0; i < 4; ++i) cell[i] *= reciprocal(entering[i] * forget[i]);
    for (int i = 0; i < 4; ++i) out[i] = 1.f + exp2_held(gates[2][i]);
    for (int i = 0; i < 4; ++i) {
      const Floats squashed = exp2_held(cell[i] * (-2 * LOG2_E));
      out[i] = (1.f - squashed) * reciprocal(out[i] * (1.f + squashed));
    }
    for (int i = 0; i < 4; ++i) {
      if (!inside[i]) continue;
      store(cells + at[i], cell[i]);
      store_fixed(&direction.states[step][at[i]], out[i]);
    }
  }
};

}  // namespace lgrnet
