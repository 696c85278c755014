/* What no pull can do without: for each gzip file named, SHA-256 of its bytes, inflating by ISA-L, SHA-256
 * of what comes out. Prints the processor time in seconds. */
#include <isa-l/igzip_lib.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define IN (256 * 1024)
#define OUT (1024 * 1024)

static uint8_t in[IN], out[OUT];

static void die(const char *what)
{
        fprintf(stderr, "floor: %s\n", what);
        exit(1);
}

static void one(const char *path)
{
        static struct inflate_state state;
        EVP_MD_CTX *packed = EVP_MD_CTX_new(), *plain = EVP_MD_CTX_new();
        unsigned char digest[EVP_MAX_MD_SIZE];
        FILE *f = fopen(path, "rb");
        size_t n;

        if (!f || !packed || !plain)
                die(path);
        EVP_DigestInit_ex(packed, EVP_sha256(), NULL);
        EVP_DigestInit_ex(plain, EVP_sha256(), NULL);
        isal_inflate_init(&state);
        state.crc_flag = ISAL_GZIP;
        while ((n = fread(in, 1, IN, f)) > 0) {
                EVP_DigestUpdate(packed, in, n);
                state.next_in = in;
                state.avail_in = (uint32_t)n;
                do {
                        state.next_out = out;
                        state.avail_out = OUT;
                        if (isal_inflate(&state) != ISAL_DECOMP_OK)
                                die("this is no gzip file");
                        EVP_DigestUpdate(plain, out, OUT - state.avail_out);
                } while (state.avail_out == 0);
        }
        EVP_DigestFinal_ex(packed, digest, NULL);
        EVP_DigestFinal_ex(plain, digest, NULL);
        EVP_MD_CTX_free(packed);
        EVP_MD_CTX_free(plain);
        fclose(f);
}

int main(int argc, char **argv)
{
        struct rusage usage;

        for (int i = 1; i < argc; i++)
                one(argv[i]);
        getrusage(RUSAGE_SELF, &usage);
        printf("%.3f\n", (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
                                 (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6);
        return 0;
}
