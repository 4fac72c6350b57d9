// The two ends of a clone by a rewritten site, when the child is a green thread. x86-64 only.

	.text

// The handler of clone and clone3. The registers that a child shares with its maker, but that no handler sees, are handed on:
// rdi frame, rsi number -> weft_green_clone(frame, number, kept).
	.globl	weft_green_clone_site
	.hidden	weft_green_clone_site
	.type	weft_green_clone_site, @function
	.p2align 4
weft_green_clone_site:
	.cfi_startproc
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	.cfi_adjust_cfa_offset 40
	mov	%rsp, %rdx
	call	weft_green_clone
	add	$40, %rsp
	.cfi_adjust_cfa_offset -40
	ret
	.cfi_endproc
	.size	weft_green_clone_site, .-weft_green_clone_site

// The first resumption of a green thread (core/switch_x86_64.hpp says what is in which register). The frame pointer's place holds the
// address of a copy of what the entry (patch/entry.S) had pushed, with rbx, r12 .. r15 below it. Goes on as the entry would: the call
// answers 0.
	.globl	weft_green_first
	.hidden	weft_green_first
	.type	weft_green_first, @function
	.p2align 4
weft_green_first:
	.cfi_startproc
	.cfi_undefined rip
	mov	16(%rsp), %rbp
	mov	%rbx, %rdi
	mov	%rax, %rsi
	and	$-16, %rsp
	call	weft_green_arrived
	mov	-8(%rbp), %r15
	mov	-16(%rbp), %r14
	mov	-24(%rbp), %r13
	mov	-32(%rbp), %r12
	mov	-40(%rbp), %rbx
	mov	%rbp, %rsp
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%r10
	pop	%r8
	pop	%r9
	lea	24(%rsp), %rsp
	xor	%eax, %eax
	xor	%ecx, %ecx
	ret
	.cfi_endproc
	.size	weft_green_first, .-weft_green_first

	.section .note.GNU-stack,"",@progbits
