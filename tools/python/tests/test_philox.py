"""The random words are those of the paper's authors and of Stemma."""
import unittest

from stemma_learn import philox

ALL = 0xFFFFFFFF


class PhiloxTests(unittest.TestCase):
    def test_the_published_words(self):
        """Random123's kat_vectors."""
        self.assertEqual(philox.words((0, 0), (0, 0, 0, 0)), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8))
        self.assertEqual(philox.words((ALL, ALL), (ALL,) * 4), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD))
        self.assertEqual(
            philox.words((0xA4093822, 0x299F31D0), (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1))

    def test_keys_depend_on_seed_purpose_and_name(self):
        keys = {philox.key(s, p, n) for s in (0, 1) for p in ("mask", "other") for n in ("a", "b")}
        self.assertEqual(len(keys), 8)
        self.assertTrue(all(0 <= word <= ALL for key in keys for word in key))


if __name__ == "__main__":
    unittest.main()
