/*
 * The batch of assembly/batch*.ts said in C, for comparison only: bench/kernel.ts compiles and runs it where gcc is found; nothing of Lachak
 * uses it. Same layout, same algorithm (u16 sums, quotient guessed in f32, remainder exact modulo 2^32, largest remainder by sorted keys),
 * same outputs, lanes innermost so that the compiler vectorises as wide as the machine allows. Only what the bench runs is here: i16 tiles,
 * all or high X of Y, ratio clamped on both sides, reduce; a lane it cannot prove is counted in `left` (the bench demands none).
 *
 * kernel FILE meters days W A x y minDays loNum loDen hiNum hiDen threads runs OUT: FILE holds [days][W+A][meters] then [W+A][meters] i16;
 * prints the milliseconds of each run, by the clock and of the processor, and writes to OUT the columns in the order of `struct out`.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef LANES
#define LANES 64
#endif
#define MAX_DAYS 16
#define MAX_SLOTS 16
#define MISSING INT32_MIN
#define EACH for (int l = 0; l < LANES; l++)

static int M, D, W, A, X, Y, MIN_DAYS, LO_NUM, LO_DEN, HI_NUM, HI_DEN;
static size_t stride, day_cells;
static int16_t *history, *actual;
static struct out {
  uint8_t *status, *flags, *missing;
  int32_t *k;
  double *observed, *reference, *denominator, *baseline, *delivered, *metered, *baseline_wh, *delivered_wh;
  int32_t *sum, *slot_baseline, *slot_delivered;
} out;
static long left;

/* Whole Wh in the remainders, to the nearest, a half away from zero. */
static inline int32_t spare_of(int32_t quotients, int32_t remainders, int32_t den) {
  int32_t whole = (int32_t)((float)remainders / (float)den + 0.5f);
  int32_t rest = remainders - whole * den;
  int32_t high = rest >> 31;
  whole += high;
  rest += den & high;
  return whole + (2 * rest > den || (2 * rest == den && quotients + whole >= 0));
}

static void sort_keys(int32_t (*restrict keys)[LANES], int32_t (*restrict sorted)[LANES]) {
  for (int s = 0; s < W; s++) {
    int32_t own[LANES];
    memcpy(own, keys[s], sizeof own);
    for (int t = 0; t < s; t++) EACH {
      int32_t other = sorted[t][l];
      sorted[t][l] = other > own[l] ? other : own[l];
      own[l] = other > own[l] ? own[l] : other;
    }
    memcpy(sorted[s], own, sizeof own);
  }
}

static void bar_of(int32_t (*restrict sorted)[LANES], const int32_t *restrict spare, int32_t *restrict bar) {
  EACH bar[l] = -1;
  for (int s = 0; s < W; s++) EACH bar[l] = spare[l] == s ? sorted[s][l] : bar[l];
}

static void block(size_t first) {
  static __thread uint16_t mask[MAX_DAYS][LANES], score[MAX_DAYS][LANES], window[MAX_DAYS][LANES], sums[MAX_SLOTS][LANES];
  static __thread int32_t keys[MAX_SLOTS][LANES], sorted[MAX_SLOTS][LANES], floors[MAX_SLOTS][LANES];
  int16_t n[LANES] = {0};
  uint16_t most[LANES] = {0}, outside[LANES] = {0};
  const int every = X == Y;
  for (int d = 0; d < D; d++) {
    const int16_t *at = history + d * day_cells + first;
    int16_t least[LANES];
    uint16_t *restrict sc = score[d], *restrict wi = window[d];
    EACH { least[l] = INT16_MAX; sc[l] = 0; wi[l] = 0; }
    for (int s = 0; s < W; s++, at += M) {
      if (every) EACH least[l] = at[l] < least[l] ? at[l] : least[l];
      else EACH {
        least[l] = at[l] < least[l] ? at[l] : least[l];
        uint16_t wider = sc[l] + (uint16_t)at[l];
        sc[l] = wider < sc[l] ? 0xffff : wider;
      }
    }
    for (int s = 0; s < A; s++, at += M) EACH {
      least[l] = at[l] < least[l] ? at[l] : least[l];
      uint16_t wider = wi[l] + (uint16_t)at[l];
      wi[l] = wider < wi[l] ? 0xffff : wider;
    }
    EACH {
      uint16_t eligible = least[l] == INT16_MIN ? 0 : 0xffff;
      outside[l] |= eligible & (least[l] < 0 || sc[l] == 0xffff || wi[l] == 0xffff);
      n[l] += eligible & 1;
      mask[d][l] = n[l] <= Y ? eligible : 0;
    }
  }
  int16_t k[LANES], enough[LANES];
  EACH {
    n[l] = n[l] < Y ? n[l] : Y;
    k[l] = n[l] < X ? n[l] : X;
    enough[l] = n[l] >= MIN_DAYS ? -1 : 0;
  }
  if (!every) {
    int16_t key[MAX_DAYS][LANES];
    for (int d = 0; d < D; d++) EACH key[d][l] = mask[d][l] ? (int16_t)((score[d][l] + 1) ^ 0x8000) : INT16_MIN;
    for (int d = 0; d < D; d++) {
      int16_t before[LANES] = {0};
      for (int e = 0; e < d; e++) EACH before[l] += key[e][l] >= key[d][l];
      for (int e = d + 1; e < D; e++) EACH before[l] += key[e][l] > key[d][l];
      EACH mask[d][l] &= before[l] < k[l] ? 0xffff : 0;
    }
  }
  EACH k[l] &= enough[l];
  for (int s = 0; s < W; s++) {
    uint16_t *restrict c = sums[s];
    EACH c[l] = 0;
    for (int d = 0; d < D; d++) {
      const int16_t *at = history + d * day_cells + (size_t)s * M + first;
      EACH {
        uint16_t wider = c[l] + ((uint16_t)at[l] & mask[d][l]);
        c[l] = wider < c[l] ? 0xffff : wider;
      }
    }
    EACH most[l] = most[l] > c[l] ? most[l] : c[l];
  }
  int32_t p[LANES] = {0}, o[LANES] = {0}, scale[LANES], den[LANES], flags[LANES], unobserved[LANES] = {0};
  for (int d = 0; d < D; d++) EACH p[l] += window[d][l] & mask[d][l];
  for (int s = W; s < W + A; s++) EACH {
    int16_t wh = actual[(size_t)s * M + first + l];
    unobserved[l] |= wh == INT16_MIN;
    o[l] += wh;
  }
  float f[LANES];
  EACH {
    double num = (double)k[l] * o[l], rden = p[l];
    int nonpositive = !unobserved[l] & (p[l] <= 0 || o[l] < 0);
    int low = num * LO_DEN < rden * LO_NUM, high = !low & (num * HI_DEN > rden * HI_NUM);
    int skipped = unobserved[l] | nonpositive;
    scale[l] = skipped ? 1 : low ? LO_NUM : high ? HI_NUM : o[l];
    den[l] = !k[l] ? 1 : skipped ? k[l] : low ? k[l] * LO_DEN : high ? k[l] * HI_DEN : p[l];
    flags[l] = (n[l] < Y) | (unobserved[l] ? 4 : 0) | (nonpositive ? 2 : 0) | (!skipped & (low | high) ? 8 : 0);
    f[l] = (float)scale[l] / (float)den[l];
    outside[l] |= most[l] == 0xffff || (k[l] && (!((float)most[l] * f[l] <= 1048576.0f) || den[l] > 0xffffff));
  }
  int32_t quotients[LANES] = {0}, remainders[LANES] = {0}, metered[LANES] = {0}, gaps[LANES] = {0};
  for (int s = 0; s < W; s++) {
    const int16_t *at = actual + (size_t)s * M + first;
    int32_t *restrict to = out.sum + s * stride + first;
    EACH {
      int32_t c = sums[s][l];
      to[l] = c;
      int32_t q = (int32_t)((float)c * f[l] + 0.5f);
      int32_t r = c * scale[l] - q * den[l];
      int32_t high = r >> 31;
      q += high;
      r += den[l] & high;
      quotients[l] += q;
      remainders[l] += r;
      floors[s][l] = q;
      keys[s][l] = r << 7 | (127 - s);
      gaps[l] += at[l] == INT16_MIN;
      metered[l] += at[l];
    }
  }
  int32_t spare[LANES], bar[LANES], delivered_spare[LANES], floored[LANES], rest[LANES];
  EACH spare[l] = spare_of(quotients[l], remainders[l], den[l]);
  sort_keys(keys, sorted);
  bar_of(sorted, spare, bar);
  for (int s = 0; s < W; s++) {
    int32_t *restrict to = out.slot_baseline + s * stride + first;
    EACH to[l] = floors[s][l] + (keys[s][l] > bar[l]);
  }
  int any = 0;
  EACH any |= gaps[l];
  if (any) {
    EACH { floored[l] = 0; rest[l] = 0; metered[l] = 0; }
    for (int s = 0; s < W; s++) {
      const int16_t *at = actual + (size_t)s * M + first;
      EACH {
        int gap = at[l] == INT16_MIN;
        int32_t q = floors[s][l] - at[l], r = gap ? 0 : keys[s][l] >> 7;
        metered[l] += gap ? 0 : at[l];
        floored[l] += gap ? 0 : q;
        rest[l] += r;
        floors[s][l] = gap ? MISSING : q;
        keys[s][l] = gap ? -1 : keys[s][l];
      }
    }
    sort_keys(keys, sorted);
    EACH delivered_spare[l] = spare_of(floored[l], rest[l], den[l]);
    bar_of(sorted, delivered_spare, bar);
    for (int s = 0; s < W; s++) {
      int32_t *restrict to = out.slot_delivered + s * stride + first;
      EACH to[l] = floors[s][l] + (keys[s][l] > bar[l]);
    }
  } else {
    EACH { floored[l] = quotients[l] - metered[l]; rest[l] = remainders[l]; }
    EACH delivered_spare[l] = spare_of(floored[l], rest[l], den[l]);
    bar_of(sorted, delivered_spare, bar);
    for (int s = 0; s < W; s++) {
      const int16_t *at = actual + (size_t)s * M + first;
      int32_t *restrict to = out.slot_delivered + s * stride + first;
      EACH to[l] = floors[s][l] + (keys[s][l] > bar[l]) - at[l];
    }
  }
  EACH {
    size_t m = first + l;
    out.status[m] = k[l] ? 0 : 1;
    out.flags[m] = k[l] ? flags[l] : 0;
    out.missing[m] = gaps[l];
    out.k[m] = k[l];
  }
  EACH {
    size_t m = first + l;
    out.observed[m] = k[l] && !unobserved[l] ? o[l] : NAN;
    out.reference[m] = k[l] ? p[l] : NAN;
    out.denominator[m] = k[l] ? den[l] : NAN;
    out.metered[m] = metered[l];
    out.baseline_wh[m] = k[l] ? quotients[l] + spare[l] : NAN;
    out.delivered_wh[m] = k[l] ? floored[l] + delivered_spare[l] : NAN;
    out.baseline[m] = k[l] ? (double)quotients[l] * den[l] + remainders[l] : NAN;
    out.delivered[m] = k[l] ? (double)floored[l] * den[l] + rest[l] : NAN;
  }
  any = 0;
  EACH any |= !k[l];
  if (any)
    for (int s = 0; s < W; s++) EACH if (!k[l]) {
      out.sum[s * stride + first + l] = 0;
      out.slot_baseline[s * stride + first + l] = out.slot_delivered[s * stride + first + l] = MISSING;
    }
  EACH if (outside[l] && first + l < (size_t)M) __atomic_add_fetch(&left, 1, __ATOMIC_RELAXED);
}

static int threads;
static void *part(void *which) {
  size_t blocks = ((size_t)M + LANES - 1) / LANES, i = (size_t)which;
  for (size_t b = blocks * i / threads; b < blocks * (i + 1) / threads; b++) block(b * LANES);
  return NULL;
}

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void *column(size_t bytes) {
  void *at = aligned_alloc(64, (bytes + 4095) & ~(size_t)4095);
  memset(at, 0, bytes);
  return at;
}

int main(int argc, char **argv) {
  if (argc != 16) return fprintf(stderr, "kernel FILE meters days W A x y minDays loNum loDen hiNum hiDen threads runs OUT\n"), 2;
  int *terms[] = {&M, &D, &W, &A, &X, &Y, &MIN_DAYS, &LO_NUM, &LO_DEN, &HI_NUM, &HI_DEN, &threads};
  for (int i = 0; i < 12; i++) *terms[i] = atoi(argv[2 + i]);
  if (D > MAX_DAYS || W > MAX_SLOTS || threads < 1 || threads > 64) return 2;
  int runs = atoi(argv[14]);
  stride = ((size_t)M + LANES - 1) / LANES * LANES + 16;
  size_t cells = (size_t)(W + A) * M;
  day_cells = (cells + 31) / 32 * 32 + 96;
  history = column((day_cells * (D + 1) + LANES) * 2);
  actual = history + day_cells * D;
  FILE *file = fopen(argv[1], "rb");
  for (int d = 0; d <= D; d++) if (fread(history + d * day_cells, 2, cells, file) != cells) return 3;
  fclose(file);
  uint8_t **bytes = &out.status;
  for (int i = 0; i < 3; i++) bytes[i] = column(stride);
  out.k = column(stride * 4);
  double **doubles = &out.observed;
  for (int i = 0; i < 8; i++) doubles[i] = column(stride * 8);
  int32_t **slots = &out.sum;
  for (int i = 0; i < 3; i++) slots[i] = column(stride * 4 * W);
  for (int r = 0; r < runs; r++) {
    left = 0;
    pthread_t thread[64];
    double start = now(CLOCK_MONOTONIC), used = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 1; i < threads; i++) pthread_create(&thread[i], NULL, part, (void *)(size_t)i);
    part(0);
    for (int i = 1; i < threads; i++) pthread_join(thread[i], NULL);
    printf("%.3f %.3f\n", now(CLOCK_MONOTONIC) - start, now(CLOCK_PROCESS_CPUTIME_ID) - used);
  }
  if (left) return fprintf(stderr, "%ld lanes left to the exact core\n", left), 4;
  file = fopen(argv[15], "wb");
  for (int i = 0; i < 3; i++) fwrite(bytes[i], 1, M, file);
  fwrite(out.k, 4, M, file);
  for (int i = 0; i < 8; i++) fwrite(doubles[i], 8, M, file);
  for (int i = 0; i < 3; i++) for (int s = 0; s < W; s++) fwrite(slots[i] + s * stride, 4, M, file);
  return fclose(file);
}
