/* Faces and action units from C, and from whatever calls C: examples/native as a library.
 *
 *   char message[LGRNET_MESSAGE];
 *   lgrnet_detector* detector = lgrnet_detector_open("MODEL.npz", "FINDER.npz", 2, 4, message);
 *   lgrnet_face faces[4];
 *   int count = lgrnet_detector_follow(detector, &picture, faces, message);
 *
 * What fails returns NULL or -1 and leaves the reason in `message`, in UTF-8; NULL will do where
 * none is wanted. A detector is for one thread at a time; each has its own threads and memory. */
#ifndef LGRNET_H
#define LGRNET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LGRNET_VERSION 1    /* of what this file declares, see lgrnet_version */
#define LGRNET_LANDMARKS 49 /* of each face */
#define LGRNET_MAX_AUS 32   /* that a model may have */
#define LGRNET_MESSAGE 500  /* bytes that a message takes at most, with its end */

#if defined(__GNUC__)
#define LGRNET_API __attribute__((visibility("default")))
#else
#define LGRNET_API
#endif

typedef struct lgrnet_detector lgrnet_detector;

/* The bytes of a pixel, in this order. */
enum { LGRNET_BGR = 0, LGRNET_RGB = 1, LGRNET_BGRA = 2, LGRNET_RGBA = 3, LGRNET_GREY = 4 };

/* A picture, which is read during the call only. */
typedef struct {
  const uint8_t* pixels; /* the upper left one first */
  int32_t width, height; /* pixels, at least 1 and at most 32768 */
  int32_t stride; /* bytes from a row to the one below, negative if it lies before; 0: width times
                     the bytes of a pixel */
  int32_t format; /* LGRNET_BGR, ...; what is transparent counts as any other pixel */
} lgrnet_picture;

/* What a model tells; `count` elements of the arrays are used. */
typedef struct {
  int32_t count;
  int32_t tells_intensity;          /* 0: it has presence alone */
  int32_t aus[LGRNET_MAX_AUS];      /* FACS numbers, in the order of all that follows */
  float thresholds[LGRNET_MAX_AUS]; /* probability from which an AU counts as present */
} lgrnet_model;

/* One face of a picture. Coordinates are pixels; the middle of the first pixel is (0, 0). */
typedef struct {
  int32_t id;                           /* who it is in the video; -1 in a picture by itself */
  float score;                          /* of the face finder when it was found, 0 to 1 */
  float box[4];                         /* left, top, width, height; may reach outside */
  float landmarks[LGRNET_LANDMARKS][2]; /* x, y */
  float probability[LGRNET_MAX_AUS];    /* that an AU is present, 0 to 1 */
  float intensity[LGRNET_MAX_AUS];      /* 0 to 5, FACS's A to E as 1 to 5; NaN if none is told */
} lgrnet_face;

/* LGRNET_VERSION of the library, which should be that of the header. */
LGRNET_API int32_t lgrnet_version(void);

/* Opens a model of `python -m export.native` and a face finder of `python -m export.finder`, whose
 * paths are as fopen takes them. threads: CPU threads, 1 or more; max_faces: faces in a picture at
 * most, 1 or more. */
LGRNET_API lgrnet_detector* lgrnet_detector_open(const char* model, const char* finder,
                                                 int32_t threads, int32_t max_faces, char* message);

/* What the opened model tells. */
LGRNET_API void lgrnet_detector_model(const lgrnet_detector* detector, lgrnet_model* model);

/* The faces of a picture by itself, the largest found first. `faces` has room for max_faces.
 * Returns how many there are. */
LGRNET_API int32_t lgrnet_detector_detect(lgrnet_detector* detector, const lgrnet_picture* picture,
                                          lgrnet_face* faces, char* message);

/* The faces of the next picture of a video, by id. Otherwise as lgrnet_detector_detect. */
LGRNET_API int32_t lgrnet_detector_follow(lgrnet_detector* detector, const lgrnet_picture* picture,
                                          lgrnet_face* faces, char* message);

/* The next picture to follow begins another video, in which ids begin at 0. Returns 0. */
LGRNET_API int32_t lgrnet_detector_restart(lgrnet_detector* detector, char* message);

/* Frees it; NULL is left alone. */
LGRNET_API void lgrnet_detector_close(lgrnet_detector* detector);

#ifdef __cplusplus
}
#endif

#endif
