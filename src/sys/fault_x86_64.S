// weft_load_word and weft_exchange_word (fault.hpp): functions of one access each, which leave no frame behind, so that a fault
// handler may send them on to their failing end.

	.text
	.globl	weft_load_word, weft_load_word_access, weft_load_word_failed
	.hidden	weft_load_word, weft_load_word_access, weft_load_word_failed
	.type	weft_load_word, @function
	.p2align 4
weft_load_word:
	.cfi_startproc
weft_load_word_access:
	mov	(%rdi), %eax
	mov	%eax, (%rsi)
	mov	$1, %eax
	ret
weft_load_word_failed:
	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	weft_load_word, .-weft_load_word

	.globl	weft_exchange_word, weft_exchange_word_access, weft_exchange_word_failed
	.hidden	weft_exchange_word, weft_exchange_word_access, weft_exchange_word_failed
	.type	weft_exchange_word, @function
	.p2align 4
weft_exchange_word:
	.cfi_startproc
	mov	(%rsi), %eax
weft_exchange_word_access:
	lock cmpxchg	%edx, (%rdi)
	mov	%eax, (%rsi)
	sete	%al
	movzbl	%al, %eax
	ret
weft_exchange_word_failed:
	mov	$-1, %eax
	ret
	.cfi_endproc
	.size	weft_exchange_word, .-weft_exchange_word

	.section .note.GNU-stack,"",@progbits
