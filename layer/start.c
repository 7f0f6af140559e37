/* The launcher: starts our interpreter from the function's environment.
 *
 *     kernel --#!--> start (static, no libc) --execve--> python3 (our loader, our libc)
 *
 * It is the only program of the layer that runs before our own loader, so it uses no file of the
 * function's image: no shell, no interpreter, no C library. It removes the variables that would
 * change the start of our loader, libc, Python or OpenSSL, because they are meant for the function.
 * It passes on all others unchanged, such as the extension's settings and the AWS_ variables.
 *
 * Usage: start SCRIPT [ARGUMENT ...]   (also start -c CODE, start -m MODULE: for tests)
 */

#define HOME "/opt/otlp2parquet"
#define PYTHON HOME "/python3"

/* A name ending in '=' is one variable, any other is a prefix. */
static const char *const WITHHELD[] = {
    "LD_",      "GLIBC_",  "MALLOC_",   "GCONV_PATH=", "LOCPATH=",     "NLSPATH=",
    "LANGUAGE=", "LANG=",  "LC_",       "TZ=",         "TZDIR=",       "PYTHON",
    "OPENSSL_", "SSL_CERT_", "ARROW_DEFAULT_MEMORY_POOL=",
};

/* With these variables, no file of the function's image is read. */
static char *const OURS[] = {
    "LC_ALL=C", /* the built-in locale; an option sets Python to UTF-8 */
    "TZ=UTC0",
    "OPENSSL_CONF=" HOME "/etc/openssl.cnf",
    "SSL_CERT_FILE=" HOME "/etc/cert.pem",
    /* One allocator with one arena for all threads: saves 13 to 40 MB compared with Arrow's own. */
    "ARROW_DEFAULT_MEMORY_POOL=system",
    "MALLOC_ARENA_MAX=1",
};

/* Isolated (-I), without `site` (-S): python3._pth defines the search path. */
static char *const FLAGS[] = {PYTHON, "-I", "-S", "-X", "utf8"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { MAX_STRINGS = 32768, SYSTEM_LIMIT = 7, NOT_EXECUTABLE = 126 };

static char *arguments[MAX_STRINGS], *environment[MAX_STRINGS];

#if defined(__x86_64__)
enum { WRITE = 1, EXECVE = 59, EXIT = 60 };
static long call(long number, const void *a, const void *b, const void *c) {
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call launch\n");
#elif defined(__aarch64__)
enum { WRITE = 64, EXECVE = 221, EXIT = 93 };
static long call(long number, const void *a, const void *b, const void *c) {
    register long x8 __asm__("x8") = number;
    register const void *x0 __asm__("x0") = a;
    register const void *x1 __asm__("x1") = b;
    register const void *x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return (long)x0;
}
__asm__(".globl _start\n_start: mov x0, sp\n bl launch\n");
#endif

static __attribute__((noreturn)) void fail(const char *message, long length, long code) {
    call(WRITE, (void *)2, message, (void *)length);
    for (;;) call(EXIT, (void *)code, 0, 0);
}

static int starts_with(const char *text, const char *prefix) {
    while (*prefix && *text == *prefix) text++, prefix++;
    return !*prefix;
}

static int withheld(const char *variable) {
    for (unsigned long i = 0; i < COUNT(WITHHELD); i++)
        if (starts_with(variable, WITHHELD[i])) return 1;
    return 0;
}

/* The stack as the kernel leaves it: argc, argv..., NULL, envp..., NULL. */
__attribute__((noreturn, used)) void launch(char **stack) {
    long count = (long)stack[0], n = 0;
    char **given = stack + 1, **variables = given + count + 1;
    static const char too_many[] = "otlp2parquet: more than 32000 arguments or variables\n";
    static const char missing[] =
        "otlp2parquet: cannot start " PYTHON ": is the layer complete, and for this architecture?\n";

    if (count > MAX_STRINGS - 16) fail(too_many, sizeof too_many - 1, SYSTEM_LIMIT);
    for (unsigned long i = 0; i < COUNT(FLAGS); i++) arguments[n++] = FLAGS[i];
    for (long i = 1; i < count; i++) arguments[n++] = given[i];

    n = 0;
    for (unsigned long i = 0; i < COUNT(OURS); i++) environment[n++] = OURS[i];
    for (; *variables; variables++) {
        if (n > MAX_STRINGS - 2) fail(too_many, sizeof too_many - 1, SYSTEM_LIMIT);
        if (!withheld(*variables)) environment[n++] = *variables;
    }
    call(EXECVE, PYTHON, arguments, environment);
    fail(missing, sizeof missing - 1, NOT_EXECUTABLE);
}
