/* Logboom for devices: one header for Arduino (ESP32), ESP-IDF and any system with BSD sockets.
 *
 *   static lb_t log;
 *   lb_init(&log, "192.168.1.10", 5000, "pump-1", boot_seq);
 *   lb_log(&log, "info", "WiFi connected");
 *   for (;;) lb_poll(&log);        // in a task of its own: it waits for the network
 *
 * Lines wait in a ring buffer until the server has stored and acknowledged them. When it is full, the oldest line is
 * dropped; the server sees the gap in `seq`. An answer that does not come within 2 s makes the line be sent again;
 * a server that can't be reached is tried again after 5, 10 and then every 30 s. Count boot_seq up in flash
 * (Preferences, NVS) at each boot. lb_log and lb_poll from different tasks need a lock: define LB_LOCK and LB_UNLOCK.
 */
#ifndef LOGBOOM_H
#define LOGBOOM_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(ESP_PLATFORM) || defined(ARDUINO)
#include "lwip/netdb.h"
#include "lwip/sockets.h"
#else
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#endif

#ifndef LB_LINES
#define LB_LINES 32 /* lines that wait */
#endif
#ifndef LB_LINE_BYTES
#define LB_LINE_BYTES 256 /* longest line; longer messages are cut */
#endif
#ifndef LB_LOCK
#define LB_LOCK()
#define LB_UNLOCK()
#endif
#ifndef LB_MILLIS
#if defined(ARDUINO)
#define LB_MILLIS() ((uint64_t)millis())
#elif defined(ESP_PLATFORM)
#include "esp_timer.h"
#define LB_MILLIS() ((uint64_t)(esp_timer_get_time() / 1000))
#else
#include <time.h>
static uint64_t lb_millis(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
#define LB_MILLIS() lb_millis()
#endif
#endif

typedef struct {
  const char *host, *device;
  uint16_t port;
  uint32_t boot_seq, seq;
  char lines[LB_LINES][LB_LINE_BYTES];
  uint32_t first, count; /* of the ring */
  uint32_t dropped;
  int socket;
  unsigned tries;
  uint64_t next_ms; /* not before */
} lb_t;

static void lb_init(lb_t *lb, const char *host, uint16_t port, const char *device, uint32_t boot_seq) {
  memset(lb, 0, sizeof *lb);
  lb->host = host;
  lb->port = port;
  lb->device = device;
  lb->boot_seq = boot_seq;
  lb->socket = -1;
}

/* Append a text as the inside of a JSON string; stops while `spare` bytes are left. Cuts no UTF-8 sequence. */
static size_t lb_escape(char *out, size_t at, size_t size, const char *text, size_t spare) {
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    char piece[8];
    size_t length = 1;
    if (*c == '"' || *c == '\\') length = (size_t)snprintf(piece, sizeof piece, "\\%c", *c);
    else if (*c < 0x20) length = (size_t)snprintf(piece, sizeof piece, "\\u%04x", *c);
    else piece[0] = (char)*c;
    size_t need = length;
    if (*c >= 0xc0) need = *c >= 0xf0 ? 4 : *c >= 0xe0 ? 3 : 2;
    if (at + need + spare >= size) break;
    memcpy(out + at, piece, length);
    at += length;
  }
  return at;
}

/* Queue a line. `level`: debug, info, warning, error. */
static void lb_log(lb_t *lb, const char *level, const char *message) {
  LB_LOCK();
  if (lb->count == LB_LINES) {
    lb->first = (lb->first + 1) % LB_LINES;
    lb->count--;
    lb->dropped++;
  }
  char *line = lb->lines[(lb->first + lb->count) % LB_LINES];
  int head = snprintf(line, LB_LINE_BYTES, "{\"boot_seq\":%lu,\"uptime_ms\":%llu,\"seq\":%lu,\"ts\":null,\"level\":\"%s\",\"device\":\"",
                      (unsigned long)lb->boot_seq, (unsigned long long)LB_MILLIS(), (unsigned long)lb->seq, level);
  lb->seq++;
  if (head > 0 && head < LB_LINE_BYTES - 32) {
    size_t at = lb_escape(line, (size_t)head, LB_LINE_BYTES, lb->device, 24);
    memcpy(line + at, "\",\"msg\":\"", 9);
    at = lb_escape(line, at + 9, LB_LINE_BYTES, message, 4);
    memcpy(line + at, "\"}\n", 4);
    lb->count++;
  }
  LB_UNLOCK();
}

static void lb_close(lb_t *lb) {
  static const unsigned waits_s[] = {5, 10, 30};
  if (lb->socket >= 0) close(lb->socket);
  lb->socket = -1;
  lb->next_ms = LB_MILLIS() + waits_s[lb->tries < 2 ? lb->tries : 2] * 1000u;
  lb->tries++;
}

static int lb_connect(lb_t *lb) {
  struct addrinfo hints, *found = NULL;
  char port[8];
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  snprintf(port, sizeof port, "%u", (unsigned)lb->port);
  if (getaddrinfo(lb->host, port, &hints, &found) != 0 || found == NULL) return 0;
  lb->socket = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  struct timeval limit = {2, 0};
  int good = lb->socket >= 0;
  if (good) {
    setsockopt(lb->socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(lb->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    good = connect(lb->socket, found->ai_addr, found->ai_addrlen) == 0;
  }
  freeaddrinfo(found);
  return good;
}

/* Send the oldest line and wait for its acknowledgement, 2 s at most. Returns the number of lines that wait. */
static uint32_t lb_poll(lb_t *lb) {
  char line[LB_LINE_BYTES], answer[64];
  LB_LOCK();
  uint32_t count = lb->count, dropped = lb->dropped;
  if (count) memcpy(line, lb->lines[lb->first], sizeof line);
  LB_UNLOCK();
  if (!count || (lb->socket < 0 && LB_MILLIS() < lb->next_ms)) {
    usleep(10000);
    return count;
  }
  if (lb->socket < 0 && !lb_connect(lb)) {
    lb_close(lb);
    return count;
  }
  size_t size = strlen(line), at = 0, got = 0;
  while (at < size) {
    long sent = (long)send(lb->socket, line + at, size - at, 0);
    if (sent <= 0) {
      lb_close(lb);
      return count;
    }
    at += (size_t)sent;
  }
  while (got == 0 || answer[got - 1] != '\n') { /* {"ack":1} and a newline */
    long received = got < sizeof answer ? (long)recv(lb->socket, answer + got, sizeof answer - got, 0) : 0;
    if (received <= 0) { /* no answer: the line is sent again over another connection */
      lb_close(lb);
      return count;
    }
    got += (size_t)received;
  }
  lb->tries = 0;
  LB_LOCK();
  if (lb->dropped == dropped) { /* else the line has been dropped meanwhile */
    lb->first = (lb->first + 1) % LB_LINES;
    lb->count--;
  }
  count = lb->count;
  LB_UNLOCK();
  return count;
}

#endif
