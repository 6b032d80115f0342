// Functions that the C++ library needs and glibc 2.28 lacks, for prebuilt addons (HEED_OLD_GLIBC). Their
// symbols are hidden, so other libraries do not see them.
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

extern "C" {

// The name of fstat64 before glibc 2.33, with the version of the structure as a parameter.
int __fxstat64(int version, int file, struct stat64* status) noexcept;
int fstat64(int file, struct stat64* status) noexcept {
  return __fxstat64(1, file, status);
}

// glibc 2.32. The C++ library omits atomics if this is true; Node always has several threads.
char __libc_single_threaded = 0;

// glibc 2.30. In older versions, a condition variable without an explicit clock uses the system clock, so
// this waits until the equivalent time of that clock. Callers that wait for a time of a steady clock check
// that clock again afterwards.
int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
  constexpr long second = 1'000'000'000;
  timespec now, system_now;
  if (clock_gettime(clock, &now) != 0 || clock_gettime(CLOCK_REALTIME, &system_now) != 0) return EINVAL;
  timespec there{system_now.tv_sec + until->tv_sec - now.tv_sec,
                 system_now.tv_nsec + until->tv_nsec - now.tv_nsec};
  for (; there.tv_nsec < 0; there.tv_nsec += second) --there.tv_sec;
  for (; there.tv_nsec >= second; there.tv_nsec -= second) ++there.tv_sec;
  if (there.tv_sec < 0) return ETIMEDOUT;
  return pthread_cond_timedwait(condition, mutex, &there);
}
}
